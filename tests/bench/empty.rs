//! An empty filter: the cost of the Rust SDK alone, with which other filters are compared.

#[cfg(target_arch = "wasm32")]
mod filter {
    use proxy_wasm::traits::{Context, HttpContext};
    use proxy_wasm::types::Action;

    proxy_wasm::main! {{
        proxy_wasm::set_http_context(|_, _| Box::new(Empty));
    }}

    struct Empty;

    impl Context for Empty {}

    impl HttpContext for Empty {
        fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
            Action::Continue
        }
    }
}
