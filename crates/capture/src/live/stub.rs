use super::{Counters, Error, Options, Plan};
use overhear_probe::datagram::{DatagramKey, Moved};
use overhear_probe::record::{Cookie, Existing, Record, Verdict};

/// Whether packets could be copied now.
///
/// # Errors
/// They cannot.
pub fn packets_have_room() -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Live capture where there is none: it can only say so.
#[derive(Debug)]
pub struct Live(std::convert::Infallible);

#[expect(missing_docs, reason = "as on Linux")]
#[expect(clippy::needless_pass_by_value, reason = "as on Linux")]
impl Live {
    pub fn attach(_: Options) -> Result<Self, Error> {
        Err(Error::Unsupported)
    }
    pub fn existing(&self) -> &[Existing] {
        match self.0 {}
    }
    pub fn hears_tls(&self) -> bool {
        match self.0 {}
    }
    pub fn tls_off(&self) -> Option<overhear_exchange::UnreadReason> {
        match self.0 {}
    }
    pub fn tls_unheard(&self) -> Option<&str> {
        match self.0 {}
    }
    pub fn plan(&self) -> Plan {
        match self.0 {}
    }
    pub fn clock_epoch(&self) -> u64 {
        match self.0 {}
    }
    pub fn now(&self) -> u64 {
        match self.0 {}
    }
    pub fn poll(&mut self, _: &mut dyn FnMut(Record<'_>)) -> Result<usize, Error> {
        match self.0 {}
    }
    pub fn judge(&mut self, _: impl IntoIterator<Item = (Cookie, Verdict)>) -> Result<(), Error> {
        match self.0 {}
    }
    pub fn target(&mut self, _: u32) -> Result<(), Error> {
        match self.0 {}
    }
    pub fn needs_rights(&self) -> bool {
        match self.0 {}
    }
    pub fn moved(&self, _: DatagramKey) -> Option<Moved> {
        match self.0 {}
    }
    pub fn forget(&mut self, _: DatagramKey) {
        match self.0 {}
    }
    pub fn counters(&self) -> Result<Counters, Error> {
        match self.0 {}
    }
}
