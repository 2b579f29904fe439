#!/usr/bin/env bash
# Puts what is no Python to where Nix and systemd look for it: `site=… kill=… out=… install.sh DAEMON…`. What belongs to
# other daemons than those named is taken out of the package.
set -eu

package=$site/sysmonstm
share=$out/share/sysmonstm
units=$out/lib/systemd/system
all="aggregatord gatewayd alertd collectord"

for daemon in $all; do
    case " $* " in
        *" $daemon "*) ;;
        *) rm -r "$package/$daemon" "$out/bin/sysmon-$daemon" ;;
    esac
done
# They are the hub's.
[ -d "$package/aggregatord" ] || rm -r "$package/sql" "$package/web"

mkdir -p "$share" "$units" "$out/lib/systemd/catalog" "$out/share/doc/sysmonstm"
for name in sql web units; do
    [ -e "$package/$name" ] || continue
    mv "$package/$name" "$share/$name"
    ln -s "$share/$name" "$package/$name"
done
mv "$package/README.md" "$out/share/doc/sysmonstm/README.md"
ln -s "$out/share/doc/sysmonstm/README.md" "$package/README.md"

# unit NAME - a unit with the paths of this package for those of other distributions.
unit() {
    mkdir -p "$(dirname "$units/$1")"
    sed -e "s|/usr/bin/sysmon-|$out/bin/sysmon-|" \
        -e "s|file:///usr/share/doc/sysmonstm/README.md|file://$out/share/doc/sysmonstm/README.md|" \
        -e "s|^ExecReload=kill |ExecReload=$kill |" \
        "$share/units/${2:-$1}" >"$units/$1"
}

for daemon; do
    unit "sysmon-$daemon.service"
    unit "sysmon-$daemon.socket"
done
unit sysmon.target
unit sysmon.slice
unit sysmon-.service.d/growth.conf since-254/sysmon-.service.d/growth.conf
cp "$share/units/sysmonstm.catalog" "$out/lib/systemd/catalog/"
