//! The control socket: one lvsd each, mode 0660.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The control socket's file; removed when dropped.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    path: PathBuf,
}

impl ControlSocket {
    /// Binds the socket, replacing one that a dead lvsd left behind.
    pub(crate) fn bind(path: &Path) -> anyhow::Result<(Self, UnixListener)> {
        if UnixStream::connect(path).is_ok() {
            bail!(
                "control socket {}: another lvsd listens there; stop it first, or set \
                 `control_socket` in [global] to another path",
                path.display()
            );
        }
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => bail!(
                "control socket {}: there is a file of this name that is no socket; it is left \
                 alone",
                path.display()
            ),
            _ => {}
        }
        let bind = || -> io::Result<UnixListener> {
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = bind().with_context(|| format!("control socket {}", path.display()))?;
        Ok((Self { path: path.to_owned() }, listener))
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!("control socket {}: {error}", self.path.display());
        }
    }
}
