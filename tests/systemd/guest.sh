# shellcheck shell=bash
# A systemd that boots, for `run`, which sources this: a Debian tree, systemd-nspawn around it, a way in. The host's own
# first process need not be systemd.
#
# Uses `work`, a folder of ours; sets `guest_root`, the tree that runs.

guest_root=
guest_leader=

# guest_tree SUITE: a minimal tree, made once; each run boots a copy of it.
guest_tree() {
    local pristine="$work/root-$1"
    if [[ ! -d $pristine ]]; then
        rm -rf "$pristine.new"
        # Whoever asks whether this succeeds has switched off that an error ends it.
        mmdebstrap --quiet --variant=apt --include=systemd,systemd-sysv,dbus \
            --dpkgopt='path-exclude=/usr/share/man/*' \
            --dpkgopt='path-exclude=/usr/share/locale/*' \
            --dpkgopt='path-exclude=/usr/share/doc/*' \
            "$1" "$pristine.new" || return 1
        : >"$pristine.new/etc/machine-id"
        local unit
        for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer console-getty.service; do
            ln -sf /dev/null "$pristine.new/etc/systemd/system/$unit"
        done
        # Whole or not at all: the next run trusts what it finds.
        mv "$pristine.new" "$pristine"
    fi
    guest_root="$work/guest"
    rm -rf "$guest_root"
    cp -a --reflink=auto "$pristine" "$guest_root"
}

# In a mount namespace of its own, /sys/fs/cgroup is a cgroup2 alone, as on a server; what a container host has there may be
# something else. `systemd-nspawn` runs in a group of its own, which goes when it ends. With bpf, IPAddressDeny= is in force.
guest_boot() {
    export guest_root work
    # shellcheck disable=SC2016 # expanded by the inner shell
    setsid unshare --mount --propagation private bash -c '
        set -euo pipefail
        umount -R /sys/fs/cgroup 2>/dev/null || true
        mount -t cgroup2 none /sys/fs/cgroup
        group=/sys/fs/cgroup/expunged-test-$$
        mkdir "$group"
        (
            echo "$BASHPID" >"$group/cgroup.procs"
            echo "$BASHPID" >"$work/nspawn.pid"
            exec systemd-nspawn --directory="$guest_root" --machine="expunged-test-$$" --register=no --keep-unit \
                --private-network --system-call-filter=bpf --boot --console=read-only
        ) || true
        find "$group" -depth -type d -exec rmdir {} +
    ' </dev/null >"$work/console.log" 2>&1 &
}

# guest_up: boots, and waits for the system to be up, at most a minute.
guest_up() {
    local deadline=$((SECONDS + 60)) state
    rm -f "$work/nspawn.pid"
    guest_boot
    while ((SECONDS < deadline)); do
        sleep 0.1
        guest_leader=$(guest_first_process) || continue
        state=$(guest systemctl is-system-running 2>/dev/null) || true
        case $state in
        running) return 0 ;;
        degraded)
            guest systemctl --failed --no-legend
            return 1
            ;;
        esac
    done
    printf 'the guest did not come up; the last lines of its console:\n'
    tail -n 30 "$work/console.log"
    return 1
}

# The guest's process 1, by its number here.
guest_first_process() {
    local nspawn children child
    nspawn=$(<"$work/nspawn.pid") 2>/dev/null || return 1
    children=$(<"/proc/$nspawn/task/$nspawn/children") 2>/dev/null || return 1
    for child in $children; do
        [[ $(<"/proc/$child/comm") == systemd ]] 2>/dev/null && printf '%s\n' "$child" && return 0
    done
    return 1
}

# guest COMMAND...: runs it in there, as root, for at most 100 seconds.
guest() {
    timeout 100 nsenter --target "$guest_leader" --all env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb LC_ALL=C "$@"
}

# guest_network COMMAND...: a program of the host's, in the guest's network.
guest_network() {
    timeout 20 nsenter --target "$guest_leader" --net "$@"
}

guest_down() {
    local nspawn
    nspawn=$(cat "$work/nspawn.pid" 2>/dev/null) || return 0
    # Power off, as a container's first process understands it.
    [[ -z $guest_leader ]] || kill -s RTMIN+4 "$guest_leader" 2>/dev/null || true
    for _ in $(seq 1 150); do
        kill -0 "$nspawn" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$nspawn" 2>/dev/null || true
    rm -f "$work/nspawn.pid"
}
