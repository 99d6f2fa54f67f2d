#!/bin/sh
# Installs the system packages that the tests and the demo need: a real Orthanc with its DICOMweb
# plugin, PostgreSQL, and a JDK with Maven for HAPI FHIR. For Debian 12, Debian 13 and Ubuntu 24.04.
#
# Usage: scripts/install-system.sh [--dry-run]
#
# Run as root, or as a user who may use sudo. Does nothing when all is there. Services that are
# newly installed are neither started nor enabled; services that were there are left as they were.
set -eu

export LC_ALL=C.UTF-8
policy_file=/usr/sbin/policy-rc.d
policy_is_ours=no
dry_run=no
case "${1:-}" in
    '') ;;
    --dry-run) dry_run=yes ;;
    *) echo "usage: $0 [--dry-run]" >&2; exit 64 ;;
esac

say() { printf 'install-system: %s\n' "$*"; }

die() {
    printf 'install-system: %s\n' "$*" >&2
    exit 69
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

is_installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

has_command() { command -v "$1" >/dev/null 2>&1; }

has_python_venv() { python3 -c 'import ensurepip, venv' >/dev/null 2>&1; }

# HAPI FHIR 8 needs Java 17, and the compiler, not only the runtime.
has_jdk() {
    version=$(javac -version 2>/dev/null | sed -n 's/^javac \([0-9]*\).*/\1/p')
    [ "${version:-0}" -ge 17 ]
}

has_postgresql_server() {
    has_command initdb && return 0
    for program in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$program" ] && return 0
    done
    return 1
}

# On another system the tests take Debian's Orthanc from Debian; debootstrap knows its mirror.
orthanc_packages() {
    if grep -q '^ID=debian$' /etc/os-release; then echo orthanc orthanc-dicomweb; else echo debootstrap; fi
}

missing_packages() {
    has_command git || echo git
    has_command make || echo make
    has_python_venv || echo python3-venv
    has_jdk || echo default-jdk-headless
    has_command mvn || echo maven
    has_postgresql_server || echo postgresql
    for package in ca-certificates debian-archive-keyring $(orthanc_packages); do
        is_installed "$package" || echo "$package"
    done
}

# Files made here are removed on every way out, so that a broken run leaves no policy behind.
forbid_service_starts() {
    if [ -e "$policy_file" ]; then
        say "keeping the existing $policy_file"
        return
    fi
    policy_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy_file" >/dev/null
    as_root chmod 755 "$policy_file"
}

allow_service_starts() {
    if [ "$policy_is_ours" = yes ]; then
        as_root rm -f "$policy_file"
        policy_is_ours=no
    fi
}

# Java finds its own libraries through /proc, which a bare chroot does not have.
ensure_proc() {
    [ -e /proc/self/exe ] && return
    say "mounting /proc (Java needs it)"
    as_root mount -t proc proc /proc || die "cannot mount /proc; mount it and try again"
}

# Packages with manual pages register alternatives there; minimal images lack the directories.
ensure_man_directories() { as_root mkdir -p /usr/share/man/man1 /usr/share/man/man7; }

# apt's hundreds of lines are of interest only when it fails.
install_packages() {
    log=$(mktemp)
    if run_apt_install "$@" >"$log" 2>&1; then
        rm -f "$log"
    else
        tail -n 40 "$log" >&2
        die "apt-get could not install $* (whole log: $log; on Ubuntu: is 'universe' enabled?)"
    fi
}

run_apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C.UTF-8 \
        apt-get -qq -o Dpkg::Use-Pty=0 --yes --no-install-recommends install "$@"
}

# A fresh package must not take its ports (8042, 4242, 5432) now or at the next boot.
# Package and service bear the same name.
absent_services() {
    for service in orthanc postgresql; do
        is_installed "$service" || echo "$service"
    done
}

switch_off_new_service() {
    service=$1
    if has_command systemctl && [ -d /run/systemd/system ]; then
        as_root systemctl disable --now --quiet "$service" || say "could not switch off $service"
    elif has_command update-rc.d; then
        as_root update-rc.d "$service" disable >/dev/null 2>&1 || say "could not disable $service"
    fi
}

check_system() {
    has_command apt-get || die "this script is for Debian and Ubuntu; install the packages by hand"
    # shellcheck disable=SC1091
    release=$(. /etc/os-release && printf '%s %s' "${ID:-unknown}" "${VERSION_ID:-unknown}")
    case "$release" in
        'debian 12' | 'debian 13' | 'ubuntu 24.04') ;;
        *) say "warning: $release was not tried (Debian 12, Debian 13 and Ubuntu 24.04 were)" ;;
    esac
    if [ "$(id -u)" -ne 0 ] && ! has_command sudo; then
        die "packages are missing and this is neither root nor is sudo installed"
    fi
}

main() {
    packages=$(missing_packages | tr '\n' ' ')
    [ -z "$packages" ] && return
    say "to be installed: $packages"
    [ "$dry_run" = yes ] && return
    check_system
    trap allow_service_starts EXIT
    trap 'exit 130' INT TERM HUP
    ensure_proc
    ensure_man_directories
    as_root apt-get -qq update || say "warning: apt-get update failed, trying with the lists at hand"
    absent=$(absent_services)
    forbid_service_starts
    # The list is one word per package.
    # shellcheck disable=SC2086
    install_packages $packages
    for service in $absent; do
        if is_installed "$service"; then switch_off_new_service "$service"; fi
    done
    allow_service_starts
    left=$(missing_packages | tr '\n' ' ')
    [ -z "$left" ] || die "still missing after the installation: $left"
    say "done"
}

main
