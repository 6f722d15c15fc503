//! The guest's initramfs: busybox, the modules that reach the host's files, and `init.sh`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};

/// What `init.sh` needs before it can reach a module file by itself.
const MODULES: [&str; 5] = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"];

/// A kernel and an initramfs, ready to boot.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) kernel: PathBuf,
    pub(super) initramfs: PathBuf,
}

/// Writes the initramfs for the kernel unpacked under `root` into the folder `into`.
pub(super) fn build(root: &Path, into: &Path) -> Result<Image> {
    let version = kernel_version(root)?;
    let modules = root.join("usr/lib/modules").join(&version);
    let dependencies = fs::read_to_string(modules.join("modules.dep"))
        .with_context(|| format!("reading modules.dep of {}", modules.display()))?;
    let order = load_order(&dependencies, &MODULES)?;

    let mut archive = Archive::default();
    archive.file("busybox", &read(&busybox(root))?);
    let mut names = Vec::new();
    for path in &order {
        let name = file_name(path);
        archive.file(name, &read(&modules.join(path))?);
        names.push(name);
    }
    let init = include_str!("init.sh").replace("@MODULES@", &names.join(" "));
    archive.file("init", init.as_bytes());

    let initramfs = into.join("initramfs");
    fs::write(&initramfs, archive.finish())
        .with_context(|| format!("writing {}", initramfs.display()))?;
    Ok(Image { kernel: root.join("boot").join(format!("vmlinuz-{version}")), initramfs })
}

fn kernel_version(root: &Path) -> Result<String> {
    let folder = root.join("usr/lib/modules");
    let mut versions = fs::read_dir(&folder)
        .with_context(|| format!("reading {}; run `make deps`", folder.display()))?;
    let entry = versions.next().with_context(|| format!("{} is empty", folder.display()))??;
    entry.file_name().into_string().map_err(|name| anyhow!("odd kernel version {}", name.display()))
}

/// busybox as unpacked, or the host's own where that is static already.
fn busybox(root: &Path) -> PathBuf {
    let unpacked = root.join("usr/bin/busybox");
    if unpacked.exists() { unpacked } else { PathBuf::from("/bin/busybox") }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The files to load, dependencies first, each once.
///
/// A line of `modules.dep` reads `module: dependency...`, where the last dependency has to be
/// loaded first (modules.dep(5)).
fn load_order<'a>(modules_dep: &'a str, wanted: &[&str]) -> Result<Vec<&'a str>> {
    let by_name: HashMap<&str, (&str, &str)> = modules_dep
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(path, needs)| {
            let file = file_name(path);
            (file.split_once(".ko").map_or(file, |(name, _)| name), (path, needs))
        })
        .collect();
    let mut order = Vec::new();
    for name in wanted {
        let (path, needs) =
            by_name.get(name).with_context(|| format!("the kernel has no module {name}"))?;
        for file in needs.split_whitespace().rev().chain([*path]) {
            if !order.contains(&file) {
                order.push(file);
            }
        }
    }
    ensure!(!order.is_empty(), "no module to load");
    Ok(order)
}

/// A cpio archive in the "newc" format (Linux: Documentation/driver-api/early-userspace/
/// buffer-format.rst).
#[derive(Debug, Default)]
struct Archive {
    bytes: Vec<u8>,
}

impl Archive {
    /// Adds an executable regular file.
    fn file(&mut self, name: &str, content: &[u8]) {
        self.entry(name, 0o100_755, content);
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        // inode, mode, uid, gid, links, mtime, size, device and rdev (major, minor), length of
        // the name with its NUL, checksum (unused in this format).
        let fields = [
            0,
            u64::from(mode),
            0,
            0,
            1,
            0,
            content.len() as u64,
            0,
            0,
            0,
            0,
            name.len() as u64 + 1,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    /// Names and contents each end on a multiple of four bytes.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, b"");
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_loaded_first_and_once() {
        let modules_dep = "kernel/net/9p/9pnet.ko:\n\
            kernel/fs/9p/9p.ko: kernel/net/9p/9pnet.ko kernel/fs/fscache.ko kernel/fs/netfs.ko\n\
            kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko kernel/virtio.ko\n";
        assert_eq!(
            load_order(modules_dep, &["9pnet_virtio", "9p"]).unwrap(),
            [
                "kernel/virtio.ko",
                "kernel/net/9p/9pnet.ko",
                "kernel/net/9p/9pnet_virtio.ko.xz",
                "kernel/fs/netfs.ko",
                "kernel/fs/fscache.ko",
                "kernel/fs/9p/9p.ko",
            ]
        );
        assert!(load_order(modules_dep, &["btrfs"]).is_err());
    }

    /// Compared with `printf hi > a; echo a | cpio -o -H newc` but for inode, times and device.
    #[test]
    fn archive_is_newc() {
        let mut archive = Archive::default();
        archive.file("a", b"hi");
        let bytes = archive.finish();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            concat!(
                "070701",
                "00000000",
                "000081ed",
                "00000000",
                "00000000",
                "00000001",
                "00000000",
                "00000002",
                "00000000",
                "00000000",
                "00000000",
                "00000000",
                "00000002",
                "00000000",
                "a\0",
                "hi\0\0",
                "070701",
                "00000000",
                "00000000",
                "00000000",
                "00000000",
                "00000001",
                "00000000",
                "00000000",
                "00000000",
                "00000000",
                "00000000",
                "00000000",
                "0000000b",
                "00000000",
                "TRAILER!!!\0\0\0\0",
            )
        );
    }
}
