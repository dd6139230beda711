//! A real nginx that serves files.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::wait;

/// A running nginx, and the folder that it serves.
pub(crate) struct Nginx {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Nginx {
    /// Starts nginx on a free port.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        std::fs::create_dir(folder.path().join("files")).unwrap();
        let program = std::fs::canonicalize(".tools/nginx/usr/sbin/nginx");
        let program = program.unwrap_or_else(|_| panic!("nginx is missing: run `make nginx`"));
        configure(folder.path(), address, FILES);
        let process = Command::new(program)
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self { process, address, folder };
        wait::found(|| TcpStream::connect(address).ok(), || nginx.read("error.log"));
        nginx
    }

    /// The address at which it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes a served file, in one step.
    pub(crate) fn put(&self, name: &str, content: &str) {
        self.put_bytes(name, content.as_bytes());
    }

    /// The same with any bytes.
    pub(crate) fn put_bytes(&self, name: &str, content: &[u8]) {
        let path = self.folder.path().join("files").join(name);
        let new = self.folder.path().join("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    /// Serves with these directives from now on, instead of files.
    pub(crate) fn serve(&self, directives: &str) {
        configure(self.folder.path(), self.address, directives);
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    }

    /// Serves files again.
    pub(crate) fn serve_files(&self) {
        self.serve(FILES);
    }

    /// Status and path of each request so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.read("access.log").lines().map(str::to_owned).collect()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configure(folder: &Path, address: SocketAddr, directives: &str) {
    let text = format!(
        "daemon off;\nmaster_process on;\nworker_processes 1;\npid nginx.pid;\nevents {{}}\nhttp {{\n\
         log_format short '$status $uri';\naccess_log access.log short;\ndefault_type application/json;\n\
         client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
         uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
         server {{ listen {address}; root files; {directives} }}\n}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), text).unwrap();
}

const FILES: &str = "etag on;";
