#!/usr/bin/env bash
# Brings the Debian packages that the lab and the integration tests need.
#
#   deps.sh vm DIR   into DIR, for the small virtual machine: downloaded and unpacked there, so
#                    that nothing on this system changes. DIR/root/ is laid over the host's files
#                    in the guest; the kernel, QEMU and busybox are used from there too.
#   deps.sh host     onto this system with apt-get, for a host whose own kernel has IPVS.
#
# Prints nothing but what it fetches, and is quick when there is nothing to do.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=$PATH:/usr/sbin:/sbin

# The packages of what runs in the lab's namespaces, and the program by which each is known.
declare -A tools=(
    [iproute2]=ip           # namespaces, links, addresses
    [kmod]=modprobe         # loads ip_vs and its schedulers
    [ipvsadm]=ipvsadm       # the table to compare with
    [nginx]=nginx           # the real servers
    [keepalived]=keepalived # a VRRP peer to speak with
    [nftables]=nft          # what `accept = false` needs
    [tcpdump]=tcpdump       # for whoever looks into the lab, as is curl
    [curl]=curl
)
# What boots the virtual machine.
machine=(qemu-system-x86 busybox-static)

die() {
    echo "deps: $*" >&2
    exit 1
}

need_apt() {
    command -v apt-get >/dev/null && return
    die "this is no Debian system; install what has: ${tools[*]}"
}

# Refreshes the package lists: only root can.
update_lists() {
    if [ "$(id -u)" -ne 0 ]; then
        die "the package lists are missing or old; run: sudo apt-get update"
    fi
    echo "deps: apt-get update"
    apt-get update -qq
}

# Prints "name=version" of every package that is missing here for those given to be installed.
missing() {
    apt-get install --simulate --no-install-recommends "$@" |
        sed -nE 's/^Inst ([^ ]+) (\[[^]]*\] )?\(([^ ]+) .*/\1=\3/p'
}

install_on_host() {
    local wanted=() package
    for package in "${!tools[@]}"; do
        command -v "${tools[$package]}" >/dev/null || wanted+=("$package")
    done
    [ ${#wanted[@]} -eq 0 ] && return
    need_apt
    if [ "$(id -u)" -ne 0 ]; then
        die "missing packages; run: sudo apt-get install --no-install-recommends ${wanted[*]}"
    fi
    echo "deps: installing ${wanted[*]} (the lab's peers and tools)"
    # Debian starts a service when its package is installed; the lab wants the programs only.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    install_quietly "${wanted[@]}" 2>/dev/null || {
        update_lists
        install_quietly "${wanted[@]}" || die "apt-get could not install ${wanted[*]}"
    }
}

# --no-remove: never at the cost of a package that is here.
install_quietly() {
    apt-get install -y -qq --no-remove --no-install-recommends "$@" >/dev/null </dev/null
}

# The newest stock kernel. The meta package only names it; its *cloud* flavour has no 9p.
kernel_package() {
    apt-cache depends linux-image-amd64 2>/dev/null |
        sed -nE 's/^ *Depends: (linux-image-[0-9].*)/\1/p' | head -n 1
}

# Downloads the kernel and whatever is missing here into DIR/deb.
download() {
    local dir=$1 kernel packages
    kernel=$(kernel_package)
    [ -n "$kernel" ] || return 1
    packages=$(missing "${!tools[@]}" "${machine[@]}") || return 1
    rm -rf "$dir/deb"
    mkdir -p "$dir/deb"
    cd "$dir/deb" || return 1
    # shellcheck disable=SC2086 # words
    apt-get download -qq -o APT::Sandbox::User=root "$kernel" $packages
}

# Unpacks DIR/deb into DIR/new, which becomes DIR/root when it is whole.
unpack() {
    local dir=$1 name deb kernel kmod
    rm -rf "$dir/new"
    mkdir -p "$dir"/new/usr/{bin,sbin,lib,lib64}
    # Some packages still carry /sbin/x; laid over the host, a real /sbin would hide its link.
    for name in bin sbin lib lib64; do ln -s "usr/$name" "$dir/new/$name"; done
    for deb in "$dir"/deb/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" |
            tar -x -C "$dir/new" --no-same-owner --keep-directory-symlink
    done
    kernel=$(cd "$dir/new/usr/lib/modules" && echo *)
    kmod=$dir/new/usr/bin/kmod
    [ -x "$kmod" ] || kmod=$(readlink -f "$(command -v depmod)")
    (
        export LD_LIBRARY_PATH=$dir/new/usr/lib/x86_64-linux-gnu
        exec -a depmod "$kmod" -b "$dir/new" "$kernel"
    )
    rm -rf "$dir/root" "$dir/deb"
    mv "$dir/new" "$dir/root"
}

unpack_for_vm() {
    local dir=$1 stamp="1 ${!tools[*]} ${machine[*]}"
    exec 9>"$dir/lock" # one at a time
    flock 9
    [ "$(cat "$dir/packages" 2>/dev/null)" = "$stamp" ] && return
    need_apt
    [ "$(dpkg --print-architecture)" = amd64 ] ||
        die "the virtual machine is made for amd64 only; use a host whose kernel has IPVS"
    echo "deps: fetching Debian packages into $dir, where nothing of this system changes:"
    echo "deps: a kernel with IPVS, ${machine[*]} to boot it, ${!tools[*]}"
    (download "$dir" 2>/dev/null) || {
        update_lists
        (download "$dir") || die "the download failed"
    }
    unpack "$dir"
    echo "$stamp" >"$dir/packages"
}

case "${1-} ${2-}" in
"host ") install_on_host ;;
"vm "?*) unpack_for_vm "$(mkdir -p "$2" && cd "$2" && pwd)" ;;
*) die "usage: deps.sh host | deps.sh vm DIR" ;;
esac
