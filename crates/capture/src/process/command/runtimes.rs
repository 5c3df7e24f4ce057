//! Programs that run other programs, and which of them a command line names.

use super::{
    Command, Named,
    launch::unwrapped,
    words::{is_role_name, is_vague, plain, qualified, stem, tells_apart, without_version},
};
use std::path::{Path, PathBuf};

/// Python's servers, whose argument names the application: `module:variable` or a script.
const PYTHON_SERVERS: [&str; 9] =
    ["uvicorn", "gunicorn", "hypercorn", "daphne", "waitress-serve", "flask", "fastapi", "celery", "granian"];

/// Options of Node.js that take a value.
const NODE_VALUED: [&str; 8] =
    ["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--env-file", "--title"];
/// Runtimes beside the interpreters whose arguments are understood: their build is not the program's.
const RUNTIMES: [&str; 5] = ["beam.smp", "php-fpm", "uwsgi", "mono", "R"];
/// Folders above a script in which its package is looked for.
const ASCENT: usize = 6;

#[derive(Clone, Copy)]
pub(super) enum Interpreter {
    Node,
    Python,
    Java,
    Dotnet,
    /// Ruby, Perl, PHP, shells: options, then a script.
    Script,
}

impl Interpreter {
    pub(super) fn of(program: &str) -> Option<Self> {
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

impl Command {
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

    pub(super) fn interpreted(
        &self,
        interpreter: Interpreter,
        rest: &[&str],
        manifests: &dyn Named,
    ) -> Option<String> {
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
