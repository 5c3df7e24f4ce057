//! What a command line says of who the process is, the way a person would say it.

mod launch;
mod runtimes;
mod words;

pub(crate) use words::plain;

use launch::unwrapped;
use runtimes::Interpreter;
use std::path::{Component, Path, PathBuf};
use words::{is_role, is_role_name, is_vague, module_name, name_of_folder, qualified, stem};

/// Names that files beside a program give it.
pub(crate) trait Named {
    /// Of the `package.json` in this folder.
    fn package(&self, folder: &Path) -> Option<String>;
    /// Of the `pyproject.toml` in this folder.
    fn project(&self, folder: &Path) -> Option<String>;
    /// Of the manifest in this jar.
    fn jar(&self, path: &Path) -> Option<String>;
    /// The Go package that the executable was built from.
    fn go(&self) -> Option<String>;
}

/// A process as its command line and folders tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Command {
    /// `argv`, possibly overwritten by the program (`nginx: worker process`).
    pub(crate) arguments: Vec<String>,
    /// Its current folder, as it sees it.
    pub(crate) folder: Option<PathBuf>,
    /// Path of the executable.
    pub(crate) executable: Option<PathBuf>,
    /// The name of its first thread, cut to 15 bytes by the kernel.
    pub(crate) comm: String,
}

impl Command {
    /// The name of the program.
    pub(crate) fn name(&self, manifests: &dyn Named) -> Option<String> {
        if let Some(title) = self.arguments.first().and_then(|first| title(first)) {
            return Some(title);
        }
        let apart = self.taken_apart();
        let arguments = unwrapped(apart.as_deref().unwrap_or(&self.arguments));
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (program, rest) = match words.split_first() {
            Some((first, rest)) => (stem(first), rest),
            None => return self.executable_name(),
        };
        match Interpreter::of(program) {
            Some(interpreter) => self.interpreted(interpreter, rest, manifests).or_else(|| plain(program)),
            None if is_vague(program) => manifests
                .go()
                .and_then(|module| module_name(&module))
                .or_else(|| words.first().and_then(|path| self.beside(Path::new(path))))
                .or_else(|| plain(program)),
            None => self.with_role(program, rest).or_else(|| plain(program)),
        }
        .or_else(|| self.executable_name())
    }

    /// The arguments where the program wrote them over as one (Chromium's processes do).
    fn taken_apart(&self) -> Option<Vec<String>> {
        let [one] = self.arguments.as_slice() else { return None };
        let program = self.executable.as_deref()?.to_str()?;
        let rest = one.strip_prefix(program)?.strip_prefix(' ')?;
        Some(std::iter::once(program).chain(rest.split_ascii_whitespace()).map(str::to_owned).collect())
    }

    /// Programs of several services say which in their first argument (`shop payments`) or an option. Programs of the
    /// system have files, hosts and verbs there, and whoever chose `argv[0]` has named the process already.
    fn with_role(&self, program: &str, rest: &[&str]) -> Option<String> {
        let executable = self.executable.as_deref()?;
        let system = ["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec", "/bin", "/sbin", "/lib"];
        if executable.file_name()? != program || system.iter().any(|place| executable.starts_with(place)) {
            return None;
        }
        let option = rest.iter().enumerate().find_map(|(at, word)| {
            let option = word.strip_prefix("--")?;
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = if value.is_empty() { rest.get(at + 1).copied()? } else { value };
            matches!(name, "service" | "service-name" | "app" | "app-name" | "role").then_some(value)
        });
        let role = option.or_else(|| rest.first().copied()).filter(|word| is_role(word))?;
        plain(&qualified(program, role))
    }

    fn executable_name(&self) -> Option<String> {
        let path = self.executable.as_deref().and_then(Path::to_str);
        path.and_then(|path| plain(stem(path))).or_else(|| plain(&self.comm))
    }

    /// A script by its own name, or by its folder's if half of all scripts have that name.
    fn script_name(&self, script: &str) -> Option<String> {
        let name = stem(script);
        if !is_vague(name) {
            return plain(name);
        }
        let folder = self.beside(Path::new(script));
        let folder = folder.map(|folder| if is_role_name(name) { qualified(&folder, name) } else { folder });
        folder.or_else(|| plain(name))
    }

    /// The name of the nearest folder above a file that names something.
    fn beside(&self, file: &Path) -> Option<String> {
        name_of_folder(self.absolute(file)?.parent()?)
    }

    fn folder_name(&self) -> Option<String> {
        name_of_folder(self.folder.as_deref()?)
    }

    fn absolute(&self, path: &Path) -> Option<PathBuf> {
        let joined = if path.is_absolute() { path.to_owned() } else { self.folder.as_ref()?.join(path) };
        let mut plain = PathBuf::new();
        for part in joined.components() {
            match part {
                Component::ParentDir => {
                    plain.pop();
                }
                Component::CurDir => {}
                Component::RootDir | Component::Normal(_) | Component::Prefix(_) => plain.push(part),
            }
        }
        Some(plain)
    }
}

/// The name in a title that a program wrote over its arguments: `nginx: worker process`, `postgres: app db idle`,
/// `gunicorn: master [shop]`, `puma 6.4 (tcp://0.0.0.0:3000) [shop]`.
fn title(first: &str) -> Option<String> {
    let bracketed = || first.rsplit_once(" [")?.1.trim_end().strip_suffix(']');
    if let Some((program, _)) = first.split_once(": ") {
        let simple = !program.is_empty() && !program.contains(['/', ' ']);
        let inner = if program == "gunicorn" { bracketed() } else { None };
        return simple.then(|| plain(inner.unwrap_or(program))).flatten();
    }
    let puma = first.starts_with("puma ") || first.starts_with("puma: ");
    puma.then(|| plain(bracketed().unwrap_or("puma"))).flatten()
}

#[cfg(test)]
mod tests {
    use super::{Command, Named};
    use std::path::Path;

    /// What lies in the folders of the tests.
    struct Files;

    impl Named for Files {
        fn package(&self, folder: &Path) -> Option<String> {
            (folder == Path::new("/srv/shop")).then(|| "shop-api".to_owned())
        }
        fn project(&self, folder: &Path) -> Option<String> {
            (folder == Path::new("/srv/tax")).then(|| "taxes".to_owned())
        }
        fn jar(&self, path: &Path) -> Option<String> {
            (path == Path::new("/opt/till/app.jar")).then(|| "Till".to_owned())
        }
        fn go(&self) -> Option<String> {
            Some("example.com/ledger/cmd/server".to_owned())
        }
    }

    fn command(folder: &str, arguments: &[&str]) -> Command {
        Command {
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            folder: Some(folder.into()),
            executable: Some("/usr/local/bin/engine".into()),
            comm: "engine".to_owned(),
        }
    }

    fn name(folder: &str, arguments: &[&str]) -> Option<String> {
        command(folder, arguments).name(&Files)
    }

    #[test]
    fn services_of_one_program_are_told_apart() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("/srv/shop", &["node", "dist/payments.js"], "shop-api-payments"),
            ("/srv/shop", &["node", "dist/worker.js"], "shop-api-worker"),
            ("/srv/shop", &["node", "api.js"], "shop-api"),
            ("/srv/shop", &["node", "shop-api.js"], "shop-api"),
            ("/srv/tax", &["python", "app.py"], "taxes"),
            ("/srv/tax", &["python", "src/worker.py"], "taxes-worker"),
            ("/srv/tax", &["python", "rates.py"], "rates"),
            ("/srv/mail", &["python", "worker.py"], "mail-worker"),
            ("/opt/till", &["java", "-jar", "app.jar"], "Till"),
            ("/opt/other", &["java", "-jar", "app.jar"], "other"),
            ("/", &["engine", "payments", "--port", "80"], "engine-payments"),
            ("/", &["engine", "--port", "80", "--service=orders"], "engine-orders"),
            ("/", &["engine", "--role", "orders"], "engine-orders"),
            ("/", &["engine", "serve"], "engine"),
            ("/", &["engine", "/etc/engine.conf"], "engine"),
            ("/", &["engine", "example.com"], "engine"),
            ("/", &["./server"], "ledger"),
        ];
        for (folder, arguments, expected) in cases {
            assert_eq!(name(folder, arguments).as_deref(), Some(*expected), "{arguments:?} in {folder}");
        }
        let as_one = command("/", &["/usr/local/bin/engine --service=orders --file=/etc/x --quiet"]);
        assert_eq!(as_one.name(&Files).as_deref(), Some("engine-orders"));
        let mut system = command("/", &["psql", "orders"]);
        system.executable = Some("/usr/bin/psql".into());
        assert_eq!(system.name(&Files).as_deref(), Some("psql"));
    }

    #[test]
    fn finds_the_script() {
        let script = |arguments: &[&str]| command("/srv/shop", arguments).script();
        let found = Some(Path::new("/srv/shop/src/a.js").to_owned());
        assert_eq!(script(&["node", "-r", "x", "./src/a.js", "--port"]), found);
        assert_eq!(script(&["sh", "-c", "exec node src/a.js"]), found);
        assert_eq!(script(&["java", "-Xmx1g", "-jar", "/a.jar"]), Some("/a.jar".into()));
        assert_eq!(script(&["python3", "-m", "http.server"]), None);
        assert_eq!(script(&["engine", "run"]), None);
    }

    #[test]
    fn names_programs_as_people_do() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("/srv/shop", &["node", "server.js"], "shop-api"),
            ("/srv/shop", &["/usr/bin/node", "--inspect", "-r", "dotenv/config", "dist/main.js"], "shop-api"),
            ("/", &["node", "/srv/shop/src/index.js"], "shop-api"),
            ("/srv/shop", &["node", "/srv/shop/node_modules/.bin/next", "start"], "shop-api"),
            ("/srv/shop", &["npm", "run", "start"], "shop-api"),
            ("/srv/shop", &["sh", "-c", "PORT=80 node server.js"], "shop-api"),
            ("/srv/other", &["node", "server.js"], "other"),
            ("/srv/other", &["node", "payments.mjs"], "payments"),
            ("/srv/other", &["node"], "node"),
            ("/srv/other", &["bun", "run", "start"], "bun"),
            ("/", &["python3", "-m", "http.server", "8000"], "http.server"),
            ("/", &["python3.12", "-u", "-m", "http.server"], "http.server"),
            ("/srv/ledger", &["python", "app.py"], "ledger"),
            ("/srv/ledger", &["python", "-X", "dev", "src/app.py"], "ledger"),
            ("/srv/ledger", &["python", "billing.py"], "billing"),
            ("/srv/ledger", &["python", "manage.py", "runserver"], "ledger"),
            ("/srv/ledger", &["python3", "/usr/bin/uvicorn", "main:app", "--port", "80"], "ledger"),
            ("/srv/ledger", &["uvicorn", "billing.main:app"], "uvicorn"),
            (
                "/srv/ledger",
                &["python", "/usr/bin/gunicorn", "-b", "0.0.0.0:80", "billing.wsgi:application"],
                "billing",
            ),
            ("/srv/ledger", &["python", "-m", "uvicorn", "orders:create()", "--reload"], "orders"),
            ("/srv/ledger", &["python", "-m", "flask", "--app", "hello", "run"], "hello"),
            ("/srv/ledger", &["python", "-m", "flask", "run"], "ledger"),
            ("/", &["nginx: worker process"], "nginx"),
            ("/", &["nginx: master process /usr/sbin/nginx -g daemon off;"], "nginx"),
            ("/", &["postgres: shop shop [local] idle"], "postgres"),
            ("/", &["gunicorn: worker [shop]"], "shop"),
            ("/", &["puma 6.4.2 (tcp://0.0.0.0:3000) [storefront]"], "storefront"),
            ("/", &["java", "-Xmx1g", "-jar", "/opt/shop-1.2.3-SNAPSHOT.jar"], "shop"),
            ("/", &["java", "-jar", "log4j-api.jar"], "log4j-api"),
            ("/", &["java", "-cp", "a.jar:b.jar", "com.example.shop.OrderServer"], "OrderServer"),
            ("/", &["java", "-Dspring.application.name=orders", "-jar", "x.jar"], "orders"),
            ("/", &["dotnet", "Shop.Web.dll"], "Shop.Web"),
            ("/", &["ruby", "bin/worker.rb"], "worker"),
            ("/srv/blog", &["php", "-S", "index.php"], "blog"),
            ("/", &["/usr/bin/envoy", "-c", "x.yaml"], "envoy"),
            ("/", &["-bash"], "bash"),
            ("/", &["sudo", "-u", "shop", "-E", "env", "A=1", "nice", "-n", "5", "envoy"], "envoy"),
            ("/", &["timeout", "-s", "KILL", "10s", "redis-server", "*:6379"], "redis-server"),
            ("/", &["tini", "--", "gosu", "redis", "redis-server"], "redis-server"),
            ("/srv", &["bash", "-lc", "cd /srv/x && exec caddy run"], "caddy"),
            ("/srv/shop", &["sh", "-c", "sudo sh -c 'node server.js'"], "shop-api"),
            ("/", &["shop-gateway", "demo-process"], "shop-gateway"),
            ("/", &["evil\u{1b}[31m\u{7}"], "evil[31m"),
            ("/", &[], "engine"),
            ("/", &[""], "engine"),
        ];
        for (folder, arguments, expected) in cases {
            assert_eq!(name(folder, arguments).as_deref(), Some(*expected), "{arguments:?} in {folder}");
        }
    }
}
