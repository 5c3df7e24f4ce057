//! What a command line says of who the process is, the way a person would say it.

use std::path::{Component, Path, PathBuf};

/// Names that many programs share: the folder says more.
const GENERIC: [&str; 24] = [
    "index",
    "server",
    "app",
    "main",
    "start",
    "run",
    "cli",
    "manage",
    "wsgi",
    "asgi",
    "application",
    "api",
    "www",
    "__main__",
    "bootstrap",
    "entrypoint",
    "worker",
    "web",
    "dev",
    "handler",
    "service",
    "program",
    "prog",
    "a.out",
];
/// Folders that hold the program but do not name it.
const PLACES: [&str; 22] = [
    "src",
    "dist",
    "build",
    "lib",
    "bin",
    "sbin",
    "out",
    "target",
    "release",
    "debug",
    "app",
    "apps",
    "server",
    "scripts",
    "code",
    "tmp",
    "home",
    "opt",
    "root",
    "usr",
    "workspace",
    "local",
];
/// Programs that start another one and then are it, or wait for it.
const LAUNCHERS: [&str; 20] = [
    "sudo",
    "doas",
    "env",
    "nice",
    "ionice",
    "nohup",
    "setsid",
    "stdbuf",
    "timeout",
    "time",
    "exec",
    "tini",
    "dumb-init",
    "gosu",
    "su-exec",
    "setpriv",
    "chrt",
    "taskset",
    "catchsegv",
    "strace",
];
/// Python's servers, whose argument names the application: `module:variable` or a script.
const PYTHON_SERVERS: [&str; 9] =
    ["uvicorn", "gunicorn", "hypercorn", "daphne", "waitress-serve", "flask", "fastapi", "celery", "granian"];

/// Options of Node.js that take a value.
const NODE_VALUED: [&str; 8] =
    ["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--env-file", "--title"];
/// Runtimes beside the interpreters whose arguments are understood: their build is not the program's.
const RUNTIMES: [&str; 5] = ["beam.smp", "php-fpm", "uwsgi", "mono", "R"];
/// First arguments that say what to do, and the parts that are the program itself.
const VERBS: [&str; 22] = [
    "run",
    "start",
    "serve",
    "server",
    "daemon",
    "agent",
    "listen",
    "exec",
    "web",
    "api",
    "main",
    "app",
    "all",
    "foreground",
    "standalone",
    "launch",
    "proxy",
    "http",
    "master",
    "demo",
    "watch",
    "service",
];
/// Folders above a script in which its package is looked for.
const ASCENT: usize = 6;

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
        let arguments = unwrapped(&self.arguments);
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (program, rest) = match words.split_first() {
            Some((first, rest)) => (stem(first), rest),
            None => return self.executable_name(),
        };
        match Interpreter::of(program) {
            Some(interpreter) => self.interpreted(interpreter, rest, manifests).or_else(|| plain(program)),
            None if GENERIC.contains(&program) => manifests
                .go()
                .and_then(|module| module_name(&module))
                .or_else(|| words.first().and_then(|path| self.beside(Path::new(path))))
                .or_else(|| plain(program)),
            None => self.with_role(program, rest).or_else(|| plain(program)),
        }
        .or_else(|| self.executable_name())
    }

    /// Whether the executable only runs a program that is in other files.
    pub(crate) fn is_interpreted(&self) -> bool {
        let executable = self.executable.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        executable.is_some_and(|name| Interpreter::of(name).is_some() || RUNTIMES.contains(&name))
    }

    /// The script, jar or library that an interpreter runs.
    pub(crate) fn script(&self) -> Option<PathBuf> {
        let arguments = unwrapped(&self.arguments);
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (program, rest) = words.split_first()?;
        let script = match Interpreter::of(stem(program))? {
            Interpreter::Node => operand(rest, &NODE_VALUED),
            Interpreter::Python if rest.contains(&"-m") => None,
            Interpreter::Python => operand(rest, &["-W", "-X", "-c"]),
            Interpreter::Script => operand(rest, &["-e", "-I", "-r", "-d"]),
            Interpreter::Java => rest.get(rest.iter().position(|word| *word == "-jar")? + 1).copied(),
            Interpreter::Dotnet => rest.iter().find(|word| word.ends_with(".dll")).copied(),
        }?;
        self.absolute(Path::new(script))
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

    fn interpreted(&self, interpreter: Interpreter, rest: &[&str], manifests: &dyn Named) -> Option<String> {
        match interpreter {
            Interpreter::Node => self.node(rest, manifests),
            Interpreter::Python => self.python(rest, manifests),
            Interpreter::Java => self.java(rest, manifests),
            Interpreter::Script => self.script_name(operand(rest, &["-e", "-I", "-r", "-d"])?),
            Interpreter::Dotnet => {
                let dll = rest.iter().find(|word| word.ends_with(".dll"))?;
                plain(stem(dll))
            }
        }
    }

    fn node(&self, rest: &[&str], manifests: &dyn Named) -> Option<String> {
        let script =
            operand(rest, &NODE_VALUED).filter(|word| !matches!(*word, "run" | "start" | "exec" | "serve"));
        let installed = script.is_some_and(|path| path.contains("node_modules/"));
        let place = match script {
            Some(path) if !installed => {
                self.absolute(Path::new(path)).and_then(|p| p.parent().map(PathBuf::from))
            }
            _ => self.folder.clone(),
        };
        let package = place
            .as_deref()
            .and_then(|place| place.ancestors().take(ASCENT).find_map(|folder| manifests.package(folder)));
        match (package, script) {
            // One package may have several services: the one that has its name is started by a script of no name.
            (Some(package), Some(script)) if !installed && tells_apart(stem(script)) => {
                plain(&qualified(&package, stem(script)))
            }
            (Some(package), _) => Some(package),
            (None, script) if installed => plain(stem(script?)),
            (None, script) => self.script_name(script?),
        }
    }

    fn python(&self, rest: &[&str], manifests: &dyn Named) -> Option<String> {
        if let Some(at) = rest.iter().position(|word| *word == "-m")
            && rest.iter().take(at).all(|word| word.starts_with('-'))
        {
            let module = *rest.get(at + 1)?;
            return self.python_program(module, rest.get(at + 2..)?).or_else(|| plain(module));
        }
        let script = operand(rest, &["-W", "-X", "-c"])?;
        let after = rest.iter().position(|word| *word == script)? + 1;
        if let Some(application) = self.python_program(stem(script), rest.get(after..)?) {
            return Some(application);
        }
        let vague = is_vague(stem(script));
        let folder = self.absolute(Path::new(script)).filter(|_| vague);
        let mut folders = folder.iter().flat_map(|file| file.ancestors().skip(1).take(ASCENT));
        let project = folders.find_map(|folder| manifests.project(folder));
        match project {
            Some(project) if is_role_name(stem(script)) => plain(&qualified(&project, stem(script))),
            Some(project) => Some(project),
            None => self.script_name(script),
        }
    }

    /// `uvicorn main:app` is who `main:app` is, not `uvicorn`.
    fn python_program(&self, server: &str, rest: &[&str]) -> Option<String> {
        if !PYTHON_SERVERS.contains(&server) {
            return None;
        }
        let application = rest.iter().enumerate().find_map(|(at, word)| {
            let named = matches!(*word, "--app" | "-A" | "--name" | "-n");
            if named { rest.get(at + 1).copied() } else { word.strip_prefix("--app=") }
        });
        let application = application.or_else(|| rest.iter().copied().find(is_application));
        let Some(application) = application else { return self.folder_name() };
        let module = application.split(':').next()?.trim_end_matches(".py");
        let parts = || module.rsplit(['.', '/']);
        parts()
            .find(|part| !is_vague(part))
            .and_then(plain)
            .or_else(|| self.folder_name())
            .or_else(|| plain(module))
    }

    fn java(&self, rest: &[&str], manifests: &dyn Named) -> Option<String> {
        let property = |name: &str| rest.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        if let Some(name) = property("-Dotel.service.name").or_else(|| property("-Dspring.application.name"))
        {
            return plain(name);
        }
        if let Some(at) = rest.iter().position(|word| *word == "-jar") {
            let jar = *rest.get(at + 1)?;
            let name = without_version(stem(jar));
            if !is_vague(name) {
                return plain(name);
            }
            let title = self.absolute(Path::new(jar)).and_then(|path| manifests.jar(&path));
            return title.or_else(|| self.beside(Path::new(jar))).or_else(|| plain(name));
        }
        let class =
            operand(rest, &["-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-modules"])?;
        plain(class.rsplit(['.', '/']).next()?)
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

#[derive(Clone, Copy)]
enum Interpreter {
    Node,
    Python,
    Java,
    Dotnet,
    /// Ruby, Perl, PHP, shells: options, then a script.
    Script,
}

impl Interpreter {
    fn of(program: &str) -> Option<Self> {
        let versionless = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
        match versionless {
            "node" | "nodejs" | "bun" | "deno" | "tsx" | "ts-node" | "npm" | "npx" | "yarn" | "pnpm"
            | "nodemon" => Some(Self::Node),
            "python" | "pypy" => Some(Self::Python),
            "java" => Some(Self::Java),
            "dotnet" => Some(Self::Dotnet),
            "ruby" | "perl" | "php" | "lua" | "luajit" | "sh" | "bash" | "dash" | "zsh" | "Rscript" => {
                Some(Self::Script)
            }
            _ => None,
        }
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

/// The arguments without what only starts the program: `sudo -u shop env A=1 sh -c "exec node server.js"`.
fn unwrapped(arguments: &[String]) -> Vec<String> {
    let mut words = arguments.to_vec();
    // A stranger's command line may nest for ever.
    for _ in 0..8 {
        let Some(program) = words.first().map(|word| stem(word).to_owned()) else { break };
        let next = if LAUNCHERS.contains(&program.as_str()) {
            launched(&program, &words)
        } else if matches!(program.as_str(), "sh" | "bash" | "dash" | "zsh") {
            shell_command(&words)
        } else {
            None
        };
        match next {
            Some(next) if !next.is_empty() => words = next,
            _ => break,
        }
    }
    words
}

/// What a launcher launches: after its options, their values, and variable assignments.
fn launched(program: &str, words: &[String]) -> Option<Vec<String>> {
    let valued: &[&str] = match program {
        "sudo" | "doas" => &["-u", "-g", "-h", "-p", "-C", "-r", "-t", "-D"],
        "env" => &["-u", "-C"],
        "nice" | "chrt" => &["-n"],
        "ionice" => &["-c", "-n"],
        "timeout" => &["-s", "-k"],
        "stdbuf" => &["-i", "-o", "-e"],
        "strace" => &["-o", "-e", "-s", "-p"],
        _ => &[],
    };
    let operands = match program {
        "timeout" | "gosu" | "su-exec" | "taskset" => 1,
        _ => 0,
    };
    let (mut at, mut skipped) = (1, 0);
    while let Some(word) = words.get(at) {
        if word == "--" {
            at += 1;
            break;
        } else if valued.contains(&word.as_str()) {
            at += 2;
        } else if word.starts_with('-') || is_assignment(word) {
            at += 1;
        } else if skipped < operands {
            (skipped, at) = (skipped + 1, at + 1);
        } else {
            break;
        }
    }
    words.get(at..).map(<[String]>::to_vec)
}

/// The first command of `sh -c "…"`.
fn shell_command(words: &[String]) -> Option<Vec<String>> {
    let at = words
        .iter()
        .position(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'))?;
    let command = words.get(at + 1)?;
    // `cd /srv/shop && node server.js`: the last command is the one that stays.
    let last = command
        .split(['\n', ';'])
        .flat_map(|part| part.split("&&"))
        .filter(|part| !part.trim().is_empty())
        .last()?;
    let words = last.split_ascii_whitespace().map(|word| word.trim_matches(['"', '\'']).to_owned());
    Some(words.skip_while(|word| is_assignment(word)).collect())
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// `module:variable` with a dotted module, or a script.
fn is_application(word: &&str) -> bool {
    let (module, variable) = word.split_once(':').unwrap_or((word.strip_suffix(".py").unwrap_or(":"), "app"));
    let name = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./".contains(&b))
    };
    let numeric = variable.bytes().all(|b| b.is_ascii_digit());
    name(module) && !numeric && name(variable.trim_end_matches("()"))
}

/// The first word that is neither an option nor the value of one of `valued`.
fn operand<'a>(words: &[&'a str], valued: &[&str]) -> Option<&'a str> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if valued.contains(word) {
            at += 2;
        } else if word.starts_with('-') {
            at += 1;
        } else {
            return Some(word);
        }
    }
    None
}

/// The last part of a path, without the ends that only say what kind of file it is, or a login shell's dash.
fn stem(path: &str) -> &str {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path).trim_start_matches('-');
    let kinds =
        [".js", ".mjs", ".cjs", ".ts", ".py", ".pyc", ".rb", ".pl", ".php", ".sh", ".jar", ".dll", ".exe"];
    kinds.iter().find_map(|kind| name.strip_suffix(kind)).filter(|name| !name.is_empty()).unwrap_or(name)
}

/// `shop-1.2.3-SNAPSHOT` → `shop`.
fn without_version(name: &str) -> &str {
    let digit = |at: usize| name.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit);
    name.match_indices('-')
        .find(|(at, _)| *at > 0 && digit(*at))
        .map_or(name, |(at, _)| name.get(..at).unwrap_or(name))
}

/// Names that tell the parts of one project apart, though many projects have them.
fn is_role_name(name: &str) -> bool {
    matches!(name, "worker" | "web" | "api" | "handler")
}

fn tells_apart(script: &str) -> bool {
    is_role_name(script) || !is_vague(script)
}

/// Part of a program: `shop`, `payments` → `shop-payments`; what says the whole already stays.
fn qualified(whole: &str, part: &str) -> String {
    let bare = whole.rsplit('/').next().unwrap_or(whole);
    if part.contains(bare) || bare.split(['-', '_', '.']).any(|word| word == part) {
        return if part.contains(bare) { part.to_owned() } else { whole.to_owned() };
    }
    format!("{whole}-{part}")
}

/// A word that names a part of a program, not what to do or with which file.
fn is_role(word: &str) -> bool {
    let simple = (3..=24).contains(&word.len())
        && word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    simple && !VERBS.contains(&word)
}

/// The last part of a Go path that says something: `example.com/shop/cmd/server/v2` → `shop`.
fn module_name(path: &str) -> Option<String> {
    let parts = path.rsplit('/').filter(|part| {
        let number = part.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
        !number && !is_vague(part) && !matches!(*part, "cmd" | "internal" | "pkg") && !part.contains('.')
    });
    parts.into_iter().next().and_then(plain)
}

fn is_vague(name: &str) -> bool {
    GENERIC.contains(&name)
}

fn name_of_folder(folder: &Path) -> Option<String> {
    let mut names = folder.components().rev().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    });
    names.find(|name| !PLACES.contains(name) && !is_vague(name)).and_then(plain)
}

/// Text fit to be a name: one short line, no control characters.
pub(crate) fn plain(text: &str) -> Option<String> {
    let clean: String = text.trim().chars().filter(|c| !c.is_control()).take(80).collect();
    (!clean.is_empty()).then_some(clean)
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
