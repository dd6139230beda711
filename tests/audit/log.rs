//! An audit log as four workers write it, made with the engine's own register, chains and events.

use tokenward::engine::memory::register::Register;
use tokenward::engine::policy::decision::Circumstances;
use tokenward::engine::policy::gateway::Gateway;
use tokenward::engine::report::audit::{AuditEvent, ClosedEvent, ConfiguredEvent, Line};
use tokenward::engine::report::chain::{Chain, Links};
use tokenward::engine::request::head::RequestHead;
use tokenward::engine::words::address::Source;
use tokenward::engine::words::time::Time;

/// The log of an Envoy with four workers that served at least this many requests, got a new configuration in between,
/// and was then shut down. Other lines are mixed in.
pub(crate) fn written(events: usize, links: &Links) -> Vec<String> {
    let mut envoy = Envoy::new(links);
    for revision in 1..=2 {
        let mut vms = envoy.configure(revision);
        for request in 0..events / 2 {
            // Any order of workers is fine.
            let worker = 1 + request * 7_919 % 13 % 4;
            envoy.decision(&mut vms[worker], request);
            if request % 10 == 0 {
                envoy.lines.push(format!("[2026-01-01][warning][main] something else, {request}"));
            }
        }
        for mut vm in vms {
            envoy.close(&mut vm);
        }
    }
    envoy.lines
}

/// A VM: its chain, and the number of its next event.
struct Vm {
    chain: Chain,
    seq: u64,
}

struct Envoy<'l> {
    links: &'l Links,
    register: Register,
    life: u64,
    gateway: Gateway,
    lines: Vec<String>,
}

impl<'l> Envoy<'l> {
    fn new(links: &'l Links) -> Self {
        let bundle = r#"{"bundle": {"version": 1, "name": "log", "revision": 7, "public": ["GET /**"]}}"#;
        let gateway = Gateway::configure(bundle.as_bytes()).unwrap();
        let register = Register::new(1, b"test");
        let life = register.clone().enter(0).id.life;
        Self { links, register, life, gateway, lines: Vec::new() }
    }

    /// The VMs of a new configuration: first the main thread's, then four workers'. The canary has already ended.
    fn configure(&mut self, configuration: u64) -> Vec<Vm> {
        let mut vms: Vec<Vm> = (0..6).map(|_| self.vm(configuration)).collect();
        vms.remove(0);
        vms
    }

    fn vm(&mut self, configuration: u64) -> Vm {
        let birth = self.register.enter(configuration);
        let mut vm = Vm { chain: Chain::new(birth.id, self.links.clone()), seq: 0 };
        let event =
            Line::new(&ConfiguredEvent::of(&self.gateway.policy, birth.canary), Time::EPOCH, 0).to_json();
        self.write(&mut vm, event);
        vm
    }

    fn decision(&mut self, vm: &mut Vm, request: usize) {
        let path = format!("/v1/services/checkout/deployments/{request}");
        let headers: [(&[u8], &[u8]); 4] = [
            (b":method", b"GET"),
            (b":path", path.as_bytes()),
            (b":authority", b"gateway.test"),
            (b"x-request-id", b"6c3c051b-63a4-495c-4cc3-b303805da2be"),
        ];
        let head = RequestHead::read(headers.into_iter(), &self.gateway.settings);
        let circumstances = Circumstances { now: Time::EPOCH, source: Source::of(b"203.0.113.7:4711") };
        let decision = self.gateway.policy.decide(&head, circumstances);
        let (policy, mode) = (&self.gateway.policy, self.gateway.settings.mode);
        let event = Line::new(
            &AuditEvent::of(&decision, &head, circumstances, policy, mode),
            circumstances.now,
            vm.seq,
        )
        .to_json();
        self.write(vm, event);
    }

    fn close(&mut self, vm: &mut Vm) {
        let chains = self.register.count(self.life);
        let event = Line::new(&ClosedEvent::of(&self.gateway.policy, chains), Time::EPOCH, vm.seq).to_json();
        self.write(vm, event);
    }

    fn write(&mut self, vm: &mut Vm, event: String) {
        let line = vm.chain.seal(event);
        self.lines.push(format!("[2026-01-01 00:00:00.000][7][info][wasm] wasm log tokenward: {line}"));
        vm.seq += 1;
    }
}

/// The id of a line's chain, if it has one.
pub(crate) fn chain(line: &str) -> Option<&str> {
    line.split_once("\"chain\":\"")?.1.split('"').next()
}
