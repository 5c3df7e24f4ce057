//! Names out of the files that packagers leave beside a program.

use super::{
    command::{Named, plain},
    proc::Proc,
};
use flate2::read::DeflateDecoder;
use serde::Deserialize;
use std::{io::Read, path::Path};

/// The beginning of a jar, where its manifest is (JAR File Specification).
const JAR_HEAD: u64 = 64 * 1024;
const MANIFEST: &[u8] = b"META-INF/MANIFEST.MF";

/// The files around one process.
pub(crate) struct Manifests<'a> {
    pub(crate) proc: &'a Proc,
    pub(crate) pid: u32,
    pub(crate) go: Option<&'a str>,
}

impl Named for Manifests<'_> {
    fn package(&self, folder: &Path) -> Option<String> {
        #[derive(Deserialize)]
        struct Package {
            name: String,
        }
        let bytes = self.proc.file_of(self.pid, &folder.join("package.json"))?;
        let package: Package = serde_json::from_slice(&bytes).ok()?;
        plain(&package.name)
    }

    fn project(&self, folder: &Path) -> Option<String> {
        let bytes = self.proc.file_of(self.pid, &folder.join("pyproject.toml"))?;
        project(&String::from_utf8_lossy(&bytes))
    }

    fn jar(&self, path: &Path) -> Option<String> {
        let mut head = Vec::new();
        self.proc.open_of(self.pid, path)?.take(JAR_HEAD).read_to_end(&mut head).ok()?;
        title(&manifest(&head)?)
    }

    fn go(&self) -> Option<String> {
        self.go.map(str::to_owned)
    }
}

/// `name` of the tables `project` (PEP 621) or `tool.poetry`: one line, a quoted string.
fn project(text: &str) -> Option<String> {
    let mut named = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            named = matches!(line.replace(' ', "").as_str(), "[project]" | "[tool.poetry]");
        } else if named
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == "name"
        {
            let value = value.trim();
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            return plain(value.get(1..)?.split(quote).next()?);
        }
    }
    None
}

/// The manifest out of the beginning of a zip file (APPNOTE.TXT 4.3.7): the entry's head is 30 bytes and ends with its
/// name and extra field; method 0 is stored, 8 deflated.
fn manifest(head: &[u8]) -> Option<String> {
    let name = memchr::memmem::find(head, MANIFEST)?;
    let entry = head.get(name.checked_sub(30)?..)?;
    if !entry.starts_with(b"PK\x03\x04") {
        return None;
    }
    let two = |at: usize| Some(u16::from_le_bytes(entry.get(at..at + 2)?.try_into().ok()?));
    let data = entry.get(30 + MANIFEST.len() + usize::from(two(28)?)..)?;
    let mut bytes = Vec::new();
    match two(8)? {
        0 => {
            let size = usize::from(two(18)?);
            bytes.extend_from_slice(data.get(..size.min(data.len()))?);
        }
        8 => {
            // The end of a large one may be missing: what came is good.
            let _cut = DeflateDecoder::new(data).take(JAR_HEAD).read_to_end(&mut bytes);
        }
        _ => return None,
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a manifest calls its program.
fn title(manifest: &str) -> Option<String> {
    let value = |key: &str| {
        let mut lines = manifest.lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(": ").map(str::trim))
    };
    let class = |key: &str| value(key).and_then(|class| class.rsplit('.').next());
    value("Implementation-Title")
        .or_else(|| class("Start-Class"))
        .or_else(|| class("Main-Class"))
        .and_then(plain)
}

#[cfg(test)]
mod tests {
    use super::{manifest, project, title};
    use flate2::{Compression, write::DeflateEncoder};
    use std::io::Write;

    fn jar(method: u8, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04\x14\0\x08\x08".to_vec();
        bytes.extend([method, 0]);
        bytes.resize(18, 0);
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend([0, 0, 0, 0, 20, 0, 4, 0]);
        bytes.extend(b"META-INF/MANIFEST.MF\xfe\xca\0\0");
        bytes.extend(data);
        bytes.extend(b"PK\x03\x04 and so on");
        bytes
    }

    #[test]
    fn a_jar_is_named_by_its_manifest() {
        let text = "Manifest-Version: 1.0\r\nMain-Class: org.example.Launcher\r\nStart-Class: org.example.TillApplication\r\n";
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
        deflated.write_all(text.as_bytes()).unwrap();
        for jar in [jar(0, text.as_bytes()), jar(8, &deflated.finish().unwrap())] {
            assert_eq!(title(&manifest(&jar).unwrap()).as_deref(), Some("TillApplication"));
        }
        assert_eq!(title("Implementation-Title: till\nMain-Class: x.Y\n").as_deref(), Some("till"));
        assert_eq!(manifest(b"META-INF/MANIFEST.MF"), None);
        assert_eq!(manifest(&jar(9, b"")), None);
    }

    #[test]
    fn a_project_is_named_in_its_table() {
        let name = |text: &str| project(text);
        assert_eq!(name("[build-system]\nname = 'no'\n[project]\nname = \"tax\"\n").as_deref(), Some("tax"));
        assert_eq!(name("[ tool.poetry ]\nname='tax' # ours\n").as_deref(), Some("tax"));
        assert_eq!(name("[project]\nname = 3\n"), None);
        assert_eq!(name("[tool.other]\nname = 'tax'\n"), None);
    }
}
