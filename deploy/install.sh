#!/usr/bin/env bash
# deploy/install.sh PROGRAM [ORIGIN]: puts the program, its unit and what the unit needs in place, as root. Nothing is started.
#
# ORIGIN is the ledger's name, such as expunged.example.com/ledger, for good; it is wanted where there is no configuration
# yet. An upgrade leaves configuration, rules and keys as they are.
set -euo pipefail

die() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

(($# == 1 || $# == 2)) || die "usage: deploy/install.sh PROGRAM [ORIGIN]"
program=$1 origin=${2:-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
configuration=/etc/expunged/expunged.toml
key=/etc/expunged/ledger.key

((EUID == 0)) || die "not root: the unit, the account and the signing key belong to the system"
[[ -f $program && -x $program ]] || die "\`$program\` is no program: build it with \`cargo build --release\`"
# What comes after a `|` in the command that writes it would be another command.
[[ $origin =~ ^[A-Za-z0-9._/-]*$ ]] || die "\`$origin\` is no name for a ledger: write one such as expunged.example.com/ledger"
[[ -n $origin || -e $configuration ]] || die "there is no $configuration yet: name the ledger, as in \`deploy/install.sh $program expunged.example.com/ledger\`"

# Beside the old file and renamed over it: a running daemon keeps what it was started from.
install -D -m 0755 "$program" /usr/bin/expunged.new
mv /usr/bin/expunged.new /usr/bin/expunged
install -D -m 0644 "$here/expunged.service" /usr/lib/systemd/system/expunged.service
install -D -m 0644 "$here/sysusers.d/expunged.conf" /usr/lib/sysusers.d/expunged.conf
install -D -m 0644 "$here/tmpfiles.d/expunged.conf" /usr/lib/tmpfiles.d/expunged.conf
systemd-sysusers expunged.conf
systemd-tmpfiles --create expunged.conf

if [[ ! -e $configuration ]]; then
    install -m 0640 -g expunged "$here/expunged.toml" "$configuration.new"
    sed -i "s|^origin = .*|origin = \"$origin\"|" "$configuration.new"
    mv "$configuration.new" "$configuration"
    # The rules of the only datastore that the example configures.
    install -m 0640 -g expunged "$here/../rules/motorsport.toml" /etc/expunged/rules/motorsport.toml
fi
# Only where there is no ledger: a new key could not sign the one that is there.
if [[ ! -e $key && ! -e /var/lib/expunged/state.db ]]; then
    /usr/bin/expunged key generate "$key"
fi
[[ -e $key ]] || die "the signing key $key is missing, but the ledger is there: restore it, a new one could not continue it"
systemctl daemon-reload

cat <<END
Installed. Next:
  $configuration: its datastores; a drop-in for each (ReadWritePaths=); a group that lets \`expunged\` write there
  systemctl enable --now expunged
  keep a copy of $key offline, and hand out $key.vkey
END
