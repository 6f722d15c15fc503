//! QEMU: its command line, and the choice between the processor's help (KVM) and emulation (TCG).

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Options;
use super::image::Image;

/// The guest's serial console, in the exchange folder.
pub(super) const CONSOLE: &str = "console.log";
/// What the guest prints first.
const MARKER: &str = "lvsd-vm: alive";
/// A guest that has not printed the marker by then does not run. With KVM that is enough for
/// hundreds of boots; `/dev/kvm` may exist and still never start a stock kernel.
const KVM_PATIENCE: Duration = Duration::from_secs(6);
const TCG_PATIENCE: Duration = Duration::from_secs(120);

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accelerator {
    Kvm,
    Tcg,
}

impl Accelerator {
    fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max"],
        }
    }
}

/// Boots `image` and waits until the guest has powered off.
pub(super) fn boot(folder: &Path, image: &Image, exchange: &Path, options: &Options) -> Result<()> {
    let until = options.deadline.map(|deadline| Instant::now() + deadline);
    let known = remembered(folder);
    let kvm = fs::File::options().read(true).write(true).open("/dev/kvm").is_ok();
    if kvm && known != Some(Accelerator::Tcg) {
        let mut guest = Guest::start(Accelerator::Kvm, folder, image, exchange, options)?;
        if guest.is_alive(exchange, KVM_PATIENCE)? {
            remember(folder, Accelerator::Kvm)?;
            return guest.wait(until);
        }
        drop(guest);
        eprintln!("vm: KVM does not boot a kernel here; emulating (slower), also from now on");
        remember(folder, Accelerator::Tcg)?;
    }
    let mut guest = Guest::start(Accelerator::Tcg, folder, image, exchange, options)?;
    if !guest.is_alive(exchange, TCG_PATIENCE)? {
        bail!("the virtual machine did not boot within {TCG_PATIENCE:?}");
    }
    guest.wait(until)
}

/// The answer of an earlier boot on this machine since it was started.
fn remembered(folder: &Path) -> Option<Accelerator> {
    let text = fs::read_to_string(folder.join("accelerator")).ok()?;
    let (machine, answer) = text.split_once(' ')?;
    match (machine == this_machine(), answer) {
        (true, "Kvm") => Some(Accelerator::Kvm),
        (true, "Tcg") => Some(Accelerator::Tcg),
        _ => None,
    }
}

fn remember(folder: &Path, answer: Accelerator) -> Result<()> {
    fs::write(folder.join("accelerator"), format!("{} {answer:?}", this_machine()))
        .with_context(|| format!("writing {}/accelerator", folder.display()))
}

fn this_machine() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// A running QEMU. Ended when dropped.
#[derive(Debug)]
struct Guest {
    qemu: Child,
}

impl Guest {
    fn start(
        accelerator: Accelerator,
        folder: &Path,
        image: &Image,
        exchange: &Path,
        options: &Options,
    ) -> Result<Self> {
        let root = folder.join("root");
        let mut command = Command::new("setpriv");
        // QEMU goes when this process goes, however that ends.
        command.args(["--pdeathsig", "KILL", "--"]).arg(program(&root));
        if root.join("usr/bin/qemu-system-x86_64").exists() {
            let libraries = root.join("usr/lib/x86_64-linux-gnu");
            command.env("QEMU_MODULE_DIR", libraries.join("qemu"));
            command.env("LD_LIBRARY_PATH", libraries);
            for data in ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"] {
                command.arg("-L").arg(root.join(data));
            }
        }
        command.args(accelerator.arguments());
        command.args(["-machine", "q35", "-smp", "2", "-m", &options.memory.to_string()]);
        command.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
        command.arg("-kernel").arg(&image.kernel).arg("-initrd").arg(&image.initramfs);
        command.args([
            "-append",
            "console=ttyS0 quiet panic=-1 nokaslr mitigations=off audit=0 apparmor=0 selinux=0 \
             random.trust_cpu=on",
        ]);
        command.arg("-serial").arg(concat("file:", &exchange.join(CONSOLE)));
        for (tag, path, access) in [
            ("host", Path::new("/"), ",readonly=on"),
            ("tools", root.as_path(), ",readonly=on"),
            ("exchange", exchange, ""),
        ] {
            let mut share = concat("local,path=", path);
            share.push(format!(",mount_tag={tag},security_model=none,multidevs=remap{access}"));
            command.arg("-virtfs").arg(share);
        }
        command.args(["-device", "virtio-serial-pci", "-chardev", "stdio,id=user,signal=off"]);
        if options.interactive {
            command.args(["-device", "virtconsole,chardev=user"]);
        } else {
            // A port counts as unplugged once QEMU's standard input has ended, so it stays open.
            command.args(["-device", "virtserialport,chardev=user,nr=1"]).stdin(Stdio::piped());
        }
        let qemu = command.spawn().context("starting setpriv and qemu-system-x86_64")?;
        Ok(Self { qemu })
    }

    /// Waits for the marker on the console; false when there is none in time.
    fn is_alive(&mut self, exchange: &Path, patience: Duration) -> Result<bool> {
        let console = exchange.join(CONSOLE);
        let until = Instant::now() + patience;
        while Instant::now() < until {
            let text = fs::read(&console).unwrap_or_default();
            if String::from_utf8_lossy(&text).contains(MARKER) {
                return Ok(true);
            }
            if self.qemu.try_wait().context("waiting for QEMU")?.is_some() {
                return Ok(false);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(false)
    }

    fn wait(mut self, until: Option<Instant>) -> Result<()> {
        while self.qemu.try_wait().context("waiting for QEMU")?.is_none() {
            if until.is_some_and(|until| Instant::now() > until) {
                bail!("the command in the virtual machine did not end before its deadline");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        drop(self.qemu.kill());
        drop(self.qemu.wait());
    }
}

/// QEMU as unpacked, or the host's own.
fn program(root: &Path) -> OsString {
    let unpacked = root.join("usr/bin/qemu-system-x86_64");
    if unpacked.exists() { unpacked.into_os_string() } else { "qemu-system-x86_64".into() }
}

fn concat(text: &str, path: &Path) -> OsString {
    let mut whole = OsString::from(text);
    whole.push(path);
    whole
}
