//! HTTP archives (HAR 1.2) of made-up traffic, for what no public description generates.

use crate::Result;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Call {
    method: &'static str,
    url: String,
    server: Option<&'static str>,
    request_headers: Vec<(String, String)>,
    request_body: Option<(String, String)>,
    status: u16,
    response_headers: Vec<(String, String)>,
    response_body: Option<(String, String)>,
    at: Option<String>,
}

impl Call {
    /// A request to this URL, answered 200 without a body. A path alone is asked of `http://api.test`.
    pub fn new(method: &'static str, url: impl AsRef<str>) -> Self {
        let url = url.as_ref();
        let url = if url.starts_with('/') { format!("http://api.test{url}") } else { url.to_owned() };
        Self {
            method,
            url,
            server: None,
            request_headers: Vec::new(),
            request_body: None,
            status: 200,
            response_headers: Vec::new(),
            response_body: None,
            at: None,
        }
    }

    /// Asked of this IP address.
    #[must_use]
    pub fn server(mut self, ip: &'static str) -> Self {
        self.server = Some(ip);
        self
    }

    /// Made at this time (RFC 3339).
    #[must_use]
    pub fn at(mut self, time: impl Into<String>) -> Self {
        self.at = Some(time.into());
        self
    }

    /// With this request header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.request_headers.push((name.to_owned(), value.into()));
        self
    }

    /// With this JSON request body.
    #[must_use]
    pub fn send(self, body: &Value) -> Self {
        self.send_as("application/json", body.to_string())
    }

    /// With this request body.
    #[must_use]
    pub fn send_as(mut self, media_type: &str, body: impl Into<String>) -> Self {
        self.request_body = Some((media_type.to_owned(), body.into()));
        self
    }

    /// Answered with this status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Answered with this header.
    #[must_use]
    pub fn answer_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.response_headers.push((name.to_owned(), value.into()));
        self
    }

    /// Answered with this JSON body.
    #[must_use]
    pub fn answer(self, body: &Value) -> Self {
        self.answer_as("application/json", body.to_string())
    }

    /// Answered with this body.
    #[must_use]
    pub fn answer_as(mut self, media_type: &str, body: impl Into<String>) -> Self {
        self.response_body = Some((media_type.to_owned(), body.into()));
        self
    }

    fn entry(&self, at: usize) -> Value {
        let typed = |headers: &[(String, String)], body: &Option<(String, String)>| -> Vec<Value> {
            let media = body.iter().map(|(media, _)| ("Content-Type".to_owned(), media.clone()));
            let all = headers.iter().cloned().chain(media);
            all.map(|(name, value)| json!({"name": name, "value": value})).collect()
        };
        let mut request = json!({
            "method": self.method, "url": self.url, "httpVersion": "HTTP/1.1",
            "headers": typed(&self.request_headers, &self.request_body),
            "cookies": [], "queryString": [], "headersSize": -1, "bodySize": -1,
        });
        if let Some((media, text)) = &self.request_body {
            request["postData"] = json!({"mimeType": media, "text": text});
        }
        let mut content = json!({"size": 0, "mimeType": ""});
        if let Some((media, text)) = &self.response_body {
            content = json!({"size": text.len(), "mimeType": media, "text": text});
        }
        let server = self.server.unwrap_or_default();
        let (minute, second) = (at / 60 % 60, at % 60);
        let usual = || format!("2026-01-01T00:{minute:02}:{second:02}.000Z");
        let at = self.at.clone().unwrap_or_else(usual);
        json!({
            "startedDateTime": at,
            "time": 12.5,
            "serverIPAddress": server,
            "request": request,
            "response": {
                "status": self.status, "statusText": "", "httpVersion": "HTTP/1.1",
                "headers": typed(&self.response_headers, &self.response_body),
                "cookies": [], "content": content, "redirectURL": "", "headersSize": -1, "bodySize": -1,
            },
            "cache": {}, "timings": {"send": 0, "wait": 12.5, "receive": 0},
        })
    }
}

/// An archive in a file of its own, which goes with it.
#[derive(Debug)]
pub struct Archive {
    folder: TempDir,
    path: PathBuf,
}

impl Archive {
    /// Writes the calls in their order.
    pub fn new(calls: &[Call]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("traffic.har");
        let entries: Vec<Value> = calls.iter().enumerate().map(|(at, call)| call.entry(at)).collect();
        let creator = json!({"name": "overhear-tests", "version": "1"});
        std::fs::write(
            &path,
            json!({"log": {"version": "1.2", "creator": creator, "entries": entries}}).to_string(),
        )?;
        Ok(Self { folder, path })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder for other files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
