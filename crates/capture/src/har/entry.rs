use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

/// One entry of `log.entries`, as far as it is used. Exporters differ: whatever may be left out is optional, and
/// numbers may be null.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry<'a> {
    #[serde(borrow)]
    pub(super) started_date_time: Cow<'a, str>,
    #[serde(default)]
    pub(super) time: Option<f64>,
    #[serde(borrow)]
    pub(super) request: Request<'a>,
    #[serde(borrow)]
    pub(super) response: Response<'a>,
    #[serde(default)]
    pub(super) timings: Timings,
    #[serde(rename = "serverIPAddress", borrow, default, deserialize_with = "text")]
    pub(super) server_ip_address: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) connection: Option<Cow<'a, str>>,
    #[serde(rename = "_error", borrow, default, deserialize_with = "text")]
    pub(super) error: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    pub(super) method: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) url: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) http_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) headers: Vec<Header<'a>>,
    #[serde(borrow, default)]
    pub(super) post_data: Option<Text<'a>>,
    #[serde(default)]
    pub(super) body_size: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response<'a> {
    #[serde(default)]
    pub(super) status: Option<f64>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) http_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) headers: Vec<Header<'a>>,
    #[serde(borrow, default)]
    pub(super) content: Option<Text<'a>>,
    #[serde(default)]
    pub(super) body_size: Option<f64>,
    #[serde(rename = "_error", borrow, default, deserialize_with = "text")]
    pub(super) error: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
pub(super) struct Header<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) value: Cow<'a, str>,
}

/// `postData` or `content`.
#[derive(Default, Deserialize)]
pub(super) struct Text<'a> {
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) encoding: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) size: Option<f64>,
}

/// Milliseconds; -1 where it does not apply.
#[derive(Default, Deserialize)]
pub(super) struct Timings {
    #[serde(default)]
    pub(super) blocked: Option<f64>,
    #[serde(default)]
    pub(super) dns: Option<f64>,
    #[serde(default)]
    pub(super) connect: Option<f64>,
    #[serde(default)]
    pub(super) send: Option<f64>,
    #[serde(default)]
    pub(super) wait: Option<f64>,
    #[serde(default)]
    pub(super) receive: Option<f64>,
}

/// Borrowed where nothing is escaped. (Behind an `Option`, serde's own `Cow` always copies.)
fn text<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
    Ok(Option::<Borrowed<'a>>::deserialize(deserializer)?.map(|Borrowed(text)| text))
}
