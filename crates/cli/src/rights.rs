//! What a listener may do once it has attached: as little as it needs, as a user of its own if there is one.
//! Why these capabilities and no others: `docs/decisions/0007-rights.md`.

use crate::{fault::Fault, keeping};
use rustix::{
    fs::{FileType, Gid, Mode, OFlags, Uid, fchown, fstat, open},
    io::Errno,
    thread::{
        CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities,
        set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    },
};
use std::{
    fs::{self, DirBuilder},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::Path,
};

const PASSWD: &str = "/etc/passwd";
/// More than any kernel knows.
const CAPABILITIES: u32 = 64;

/// Folders that nobody else has a use for.
const OURS: [&str; 2] = ["/var/lib/overhear", "/run/overhear"];

/// Who goes on listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    uid: u32,
    gid: u32,
}

/// What the listener writes from then on.
pub(crate) struct Mine<'a> {
    pub(crate) store: Option<&'a Path>,
    pub(crate) socket: Option<&'a Path>,
    pub(crate) save: Option<&'a Path>,
}

impl User {
    /// A name of `/etc/passwd` (a static binary asks nobody else), `UID` or `UID:GID`.
    pub(crate) fn named(name: &str) -> Result<Self, Fault> {
        let passwd = fs::read_to_string(PASSWD).unwrap_or_default();
        Self::find(name, &passwd).ok_or_else(|| {
            Fault::new(format_args!("--user {name}: no such user in {PASSWD}; UID:GID in numbers goes, too"))
        })
    }

    fn find(name: &str, passwd: &str) -> Option<Self> {
        let entry = passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (login, uid, gid) = (fields.next()?, fields.nth(1)?, fields.next()?);
            (login == name || uid == name).then_some((uid, gid))
        });
        let (uid, gid) = entry.unwrap_or_else(|| name.split_once(':').unwrap_or((name, name)));
        Some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
    }
}

/// Gives up every capability that listening no longer needs, and becomes `user`. Has to come before the first thread: the
/// kernel keeps rights by thread, and each thread has those of the one that started it. `maps`: the kernel lets nobody
/// use the probes' maps without the right to load them.
pub(crate) fn give_up(user: Option<User>, mine: &Mine<'_>, maps: bool) -> Result<(), Fault> {
    let held = capabilities(None).map_err(|errno| refused("asking for capabilities", errno))?;
    let mut needed = needed(user, mine);
    if maps {
        let bpf = CapabilitySet::BPF;
        needed |= if held.permitted.contains(bpf) { bpf } else { CapabilitySet::SYS_ADMIN };
    }
    let kept = needed & held.permitted;
    if let Some(user) = user {
        hand_over(user, mine)?;
    }
    // From here on nothing that is executed gains anything.
    set_no_new_privs(true).map_err(|errno| refused("setting no_new_privs", errno))?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        bound(kept)?;
    }
    if let Some(user) = user {
        become_user(user)?;
    }
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(|errno| refused("giving up capabilities", errno))
}

fn needed(user: Option<User>, mine: &Mine<'_>) -> CapabilitySet {
    // Names, versions and files of other users' processes.
    let mut needed = CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH;
    // Root who is to write into somebody's folder.
    if user.is_none() && [mine.store, mine.socket, mine.save].into_iter().flatten().any(is_of_another) {
        needed |= CapabilitySet::DAC_OVERRIDE;
    }
    needed
}

/// Whether somebody else owns the folder of this file, or the nearest one above that is there.
fn is_of_another(file: &Path) -> bool {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let owner = file.ancestors().skip(1).find_map(|folder| Some(fs::metadata(folder).ok()?.uid()));
    owner.is_some_and(|owner| owner != rustix::process::geteuid().as_raw())
}

fn bound(kept: CapabilitySet) -> Result<(), Fault> {
    for number in 0..CAPABILITIES {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(one) {
            continue;
        }
        match remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            // Beyond the last one that this kernel knows.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(refused("limiting capabilities", errno)),
        }
    }
    Ok(())
}

fn become_user(user: User) -> Result<(), Fault> {
    let failed = |errno| refused("becoming another user", errno);
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    set_keep_capabilities(true).map_err(failed)?;
    set_thread_groups(&[]).map_err(failed)?;
    set_thread_res_gid(gid, gid, gid).map_err(failed)?;
    set_thread_res_uid(uid, uid, uid).map_err(failed)?;
    set_keep_capabilities(false).map_err(failed)
}

/// Folders that are not there yet become the user's, and so do files of the store that are root's.
fn hand_over(user: User, mine: &Mine<'_>) -> Result<(), Fault> {
    for file in [mine.store, mine.socket].into_iter().flatten() {
        let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { continue };
        let is_ours = !folder.exists() || OURS.iter().any(|ours| Path::new(ours) == folder);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| Fault::new(format_args!("{}: {error}", folder.display())))?;
        if is_ours {
            give(folder, FileType::Directory, user)?;
        }
    }
    let Some(store) = mine.store else { return Ok(()) };
    keeping::files(store).iter().try_for_each(|file| give(file, FileType::RegularFile, user))
}

/// Changes the owner of what is root's, and nobody's link to something else.
fn give(path: &Path, kind: FileType, user: User) -> Result<(), Fault> {
    let failed =
        |errno: Errno| Fault::new(format_args!("{}: cannot be handed over: {errno}", path.display()));
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(failed(errno)),
    };
    let is = fstat(&file).map_err(failed)?;
    let linked = kind == FileType::RegularFile && is.st_nlink != 1;
    if FileType::from_raw_mode(is.st_mode) != kind || linked || is.st_uid != 0 {
        return Ok(());
    }
    fchown(&file, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid))).map_err(failed)
}

fn refused(what: &str, errno: Errno) -> Fault {
    Fault::new(format_args!("{what}: {errno}"))
}

#[cfg(test)]
mod tests {
    use super::User;

    #[test]
    fn users_have_a_name_or_numbers() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nnobody:x:65534:65533::/:/bin/false\n";
        let user = |uid, gid| Some(User { uid, gid });
        assert_eq!(User::find("nobody", passwd), user(65534, 65533));
        assert_eq!(User::find("65534", passwd), user(65534, 65533));
        assert_eq!(User::find("7:8", passwd), user(7, 8));
        assert_eq!(User::find("9", passwd), user(9, 9));
        for odd in ["", "somebody", "7:", "-1", "4294967296"] {
            assert_eq!(User::find(odd, passwd), None, "{odd}");
        }
    }
}
