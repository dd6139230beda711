//! docs/guides/renew.md and its CronJob: each command runs, with stand-ins for the programs that store secrets.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;
use tokenward::engine::words::secret::SecretDigest;
use tokenward::engine::words::time::Time;

#[test]
fn renewal_commands_deliver_as_docs_show() {
    let page = std::fs::read_to_string("docs/guides/renew.md").unwrap();
    let mut stored = Vec::new();
    let blocks: Vec<&str> = fences(&page, "sh").into_iter().chain(fences(&page, "crontab")).collect();
    let (scripts, commands): (Vec<&str>, Vec<&str>) =
        blocks.into_iter().partition(|block| block.starts_with("#!/bin/sh\n"));
    let [ship] = scripts[..] else { panic!("one script") };
    for command in commands {
        let shop = Shop::new();
        shop.script("acme/ship.sh", ship);
        shop.script("acme/deliver.sh", "#!/bin/sh\nkeep deliver \"$TOKENWARD_TOKEN\"\n");
        let command = command.trim_end().strip_prefix("17 * * * * ").unwrap_or(command.trim_end());
        let command = command.replace("/srv/acme", shop.path("acme").to_str().unwrap());
        let output = shop.run("acme", &format!("{command} --wait 0"), &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{command}\n{said}");
        let secret = shop.stored();
        assert!(!said.contains(&secret), "{command}\n{said}");
        let tokens = shop.read("acme/policies/acme/tokens.yaml");
        assert!(tokens.contains(&SecretDigest::of(secret.as_bytes()).to_hex()), "{command}\n{tokens}");
        assert!(tokens.contains("retired_at") && !tokens.contains("undelivered"), "{tokens}");
        // The gateways got what the registry says.
        let envelope: Value = serde_json::from_str(&shop.read("published")).unwrap();
        let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
        assert!(String::from_utf8(payload).unwrap().contains("retired_at"));
        let arguments = shop.read("arguments");
        assert!(!arguments.contains(&secret), "{arguments}");
        // The two ends of a pipe start in any order.
        let mut called: Vec<&str> = arguments.lines().filter(|line| !line.starts_with("rsync")).collect();
        called.sort_unstable();
        stored.extend(called.into_iter().map(str::to_owned));
    }
    assert_eq!(
        stored,
        [
            "vault kv put -mount=kv api/ci-deploy token=-",
            "vault kv put -mount=kv api/ci-deploy token=- secret_id=2 expires_at=TIME",
            "kubectl apply -n edge --server-side --force-conflicts --field-manager=tokenward -f -",
            "kubectl create secret generic token-ci-deploy --from-file=token=/dev/stdin --dry-run=client -o yaml",
            "gh secret set API_TOKEN --repo acme/orders",
            "glab variable update API_TOKEN --masked --protected --repo acme/orders",
            "deliver ci-deploy",
        ]
    );
}

#[test]
fn renewal_job_pushes_and_stores() {
    let job = CronJob::read();
    let shop = Shop::new();
    shop.repository();
    let renew = |more: &[(&str, &str)]| shop.run("", "sh scripts/run.sh", &job.variables(&shop, more));
    job.write_scripts(&shop.path("scripts"));

    // Each run is a pod with nothing of the last one. The first is killed after its push.
    let output = renew(&[("KILLED", "1")]);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let pushed = shop.pushed();
    assert!(pushed.contains("undelivered: true") && !shop.path("stored").exists(), "{pushed}");
    let left = digests(&pushed);
    // The second one is first refused its push, for somebody else pushes.
    shop.clean();
    let output = renew(&[("OVERTAKEN", "1")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let (secret, pushed) = (shop.stored(), shop.pushed());
    assert!(!said.contains(&secret) && !shop.read("arguments").contains(&secret));
    let new: Vec<String> = digests(&pushed).into_iter().filter(|digest| !left.contains(digest)).collect();
    assert_eq!(new, [SecretDigest::of(secret.as_bytes()).to_hex()]);
    assert!(!pushed.contains("undelivered"), "{pushed}");
    assert_eq!(pushed.matches("retired_at").count(), 2, "{pushed}");
    // The third has nothing to do.
    shop.clean();
    let output = renew(&[]);
    assert_eq!((output.status.code(), shop.pushed()), (Some(0), pushed));
}

/// `envoy/kubernetes/renew.yaml`.
struct CronJob(Vec<Value>);

impl CronJob {
    fn read() -> Self {
        let text = std::fs::read_to_string("envoy/kubernetes/renew.yaml").unwrap();
        let documents = text.split("\n---\n").map(|document| yaml_serde::from_str(document).unwrap());
        let job = Self(documents.collect());
        let kinds: Vec<&Value> = job.0.iter().map(|document| &document["kind"]).collect();
        assert_eq!(kinds, ["ServiceAccount", "Role", "RoleBinding", "ConfigMap", "CronJob"]);
        assert!(job.0.iter().all(|document| document["metadata"]["namespace"] == "edge"));
        let container = job.container();
        assert_eq!(container["command"], serde_json::json!(["sh", "/scripts/run.sh"]));
        let mounts = container["volumeMounts"].as_array().unwrap();
        assert!(mounts.iter().any(|mount| mount["name"] == "scripts" && mount["mountPath"] == "/scripts"));
        job
    }

    fn container(&self) -> &Value {
        &self.0[4]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    }

    /// The variables of the container, but for what is elsewhere here.
    fn variables(&self, shop: &Shop, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let own = self.container()["env"].as_array().unwrap().iter();
        let own = own.map(|variable| (text(&variable["name"]), text(&variable["value"])));
        let elsewhere = [("REPOSITORY", shop.path("policy.git")), ("SCRIPTS", shop.path("scripts"))];
        let elsewhere = elsewhere.map(|(name, path)| (name.to_owned(), path.to_str().unwrap().to_owned()));
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        own.chain(elsewhere).chain([("WAIT".to_owned(), "0".to_owned())]).chain(more).collect()
    }

    fn write_scripts(&self, folder: &Path) {
        std::fs::create_dir(folder).unwrap();
        for (name, script) in self.0[3]["data"].as_object().unwrap() {
            std::fs::write(folder.join(name), script.as_str().unwrap()).unwrap();
        }
    }
}

/// A machine with a policy whose token is due, and stand-ins for other programs in its PATH.
struct Shop(TempDir);

impl Shop {
    fn new() -> Self {
        let shop = Self(tempfile::tempdir().unwrap());
        for folder in ["bin", "acme/policies/acme"] {
            std::fs::create_dir_all(shop.path(folder)).unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_tokenward"), shop.path("bin/tokenward")).unwrap();
        shop.script("bin/keep", KEEP);
        for program in ["vault", "gh", "glab"] {
            shop.script(&format!("bin/{program}"), &format!("#!/bin/sh\nexec keep {program} \"$@\"\n"));
        }
        shop.script("bin/kubectl", KUBECTL);
        shop.script("bin/rsync", RSYNC);
        shop.script("bin/git", GIT);
        let policy = "version: 1\nname: acme\nkinds:\n  service: { max_lifetime: 24h }\n";
        std::fs::write(shop.path("acme/policies/acme/policy.yaml"), policy).unwrap();
        std::fs::write(shop.path("acme/policies/acme/tokens.yaml"), "version: 1\ntokens: {}\n").unwrap();
        let mint =
            "tokenward mint ci-deploy --kind service --expires-in 24h && tokenward keygen -o signing.key";
        assert!(shop.run("acme", mint, &[]).status.success());
        let tokens = twenty_hours_older(&shop.read("acme/policies/acme/tokens.yaml"));
        std::fs::write(shop.path("acme/policies/acme/tokens.yaml"), tokens).unwrap();
        shop
    }

    /// Makes a repository of the policy, to which others may push.
    fn repository(&self) {
        let make = "git init -q -b main && git add policies && git commit -q -m 'Begin' && git clone -q --bare . ../policy.git";
        let name = |role: &str| {
            [
                (format!("GIT_{role}_NAME"), "a".to_owned()),
                (format!("GIT_{role}_EMAIL"), "a@acme.test".to_owned()),
            ]
        };
        let output = self.run("acme", make, &[name("AUTHOR"), name("COMMITTER")].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The registry in the repository.
    fn pushed(&self) -> String {
        let output = self.run("", "git -C policy.git show main:policies/acme/tokens.yaml", &[]);
        String::from_utf8(output.stdout).unwrap()
    }

    /// A new pod begins with an empty folder.
    fn clean(&self) {
        std::fs::remove_dir_all(self.path("registry")).unwrap();
    }

    /// What a stand-in stored.
    fn stored(&self) -> String {
        self.read("stored")
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        let text = std::fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        // The one time among the arguments is another one in each run.
        let (before, rest) = text.split_once("expires_at=20").unwrap_or((&text, ""));
        if rest.is_empty() { text } else { format!("{before}expires_at=TIME{}", rest.get(18..).unwrap()) }
    }

    fn script(&self, path: &str, text: &str) {
        std::fs::write(self.path(path), text).unwrap();
        std::fs::set_permissions(self.path(path), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, folder: &str, command: &str, variables: &[(String, String)]) -> Output {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(command).current_dir(self.path(folder));
        shell.env("PATH", path).env("SHOP", self.0.path());
        shell.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        if folder == "acme" {
            shell.env("TOKENWARD_POLICY", "policies/acme");
        }
        shell.envs(variables.iter().map(|(name, value)| (name, value))).output().unwrap()
    }
}

/// The blocks of a page with this word behind the fence.
fn fences<'p>(page: &'p str, word: &str) -> Vec<&'p str> {
    let fences = page.split("```").skip(1).step_by(2);
    fences.filter_map(|fence| fence.strip_prefix(word)?.strip_prefix('\n')).collect()
}

/// The registry with each time twenty hours earlier.
fn twenty_hours_older(registry: &str) -> String {
    let older = |line: &str| match line.split_once("_at: ") {
        Some((key, time)) => {
            let time: Time = time.parse().unwrap();
            format!("{key}_at: {}\n", String::from(time.shifted(-72_000_000)))
        }
        None => format!("{line}\n"),
    };
    registry.lines().map(older).collect()
}

fn digests(registry: &str) -> Vec<String> {
    let words = registry.split(|c: char| !c.is_ascii_hexdigit());
    words.filter(|word| word.len() == 64).map(str::to_owned).collect()
}

/// Keeps the arguments and, as the value that is stored, standard input.
const KEEP: &str = "#!/bin/sh\necho \"$@\" >> \"$SHOP/arguments\"\ncat > \"$SHOP/stored\"\n";
/// `create` prints the secret as a manifest, `apply` stores what the manifest has.
const KUBECTL: &str = r#"#!/bin/sh
echo "kubectl $@" >> "$SHOP/arguments"
case $1 in
    create) printf 'data: { token: %s }\n' "$(base64 -w 0 /dev/stdin)" ;;
    apply) sed 's/.*token: //; s/ }$//' | base64 -d > "$SHOP/stored" ;;
esac
"#;
const RSYNC: &str = "#!/bin/sh\necho \"rsync $@\" >> \"$SHOP/arguments\"\ncp \"$2\" \"$SHOP/published\"\n";
/// The real one. After a push the pod is killed, or before it somebody else pushes, where a test asks for that.
const GIT: &str = r#"#!/bin/sh
PATH=${PATH#*:}
if [ "$1" = push ] && [ -n "$OVERTAKEN" ] && [ ! -e "$SHOP/other" ]; then
    git clone -q "$SHOP/policy.git" "$SHOP/other"
    (cd "$SHOP/other" && echo news > news && git add news && git commit -q -m News && git push -q)
fi
git "$@" || exit
if [ "$1" = push ] && [ -n "$KILLED" ]; then
    pid=$PPID
    until [ "$(cat /proc/$pid/comm)" = tokenward ]; do pid=$(cut -d ' ' -f 4 /proc/$pid/stat); done
    kill -9 $pid
fi
"#;
