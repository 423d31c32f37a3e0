#!/usr/bin/env bash
# What a real PostgreSQL 15 prints for tests/golden/*.sql. The expected outputs are its own.
#   compare_with_postgres.sh            compares the kept *.out with what PostgreSQL prints now
#   compare_with_postgres.sh --write    writes them
# Needs PostgreSQL 15's server (Debian: postgresql-15); PGBIN says where its programs are. As root it runs the server as user postgres.
set -euo pipefail
PGBIN=${PGBIN:-/usr/lib/postgresql/15/bin}
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
port=$((20000 + RANDOM % 20000))
as=(env)
if [ "$(id -u)" = 0 ]; then
  chown postgres "$dir"
  as=(setpriv --reuid=postgres --regid=postgres --clear-groups env "HOME=$dir")
fi
trap '"${as[@]}" "$PGBIN/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
"${as[@]}" "$PGBIN/initdb" -D "$dir/data" -U plimsoll --locale=C --encoding=UTF8 -A trust >/dev/null
"${as[@]}" "$PGBIN/pg_ctl" -D "$dir/data" -w -l "$dir/log" -o "-p $port -k $dir -c listen_addresses= -c timezone=UTC -c fsync=off" start >/dev/null
status=0
for script in "$here"/golden/*.sql; do
  name=$(basename "$script" .sql)
  "$PGBIN/psql" -X -q -h "$dir" -p "$port" -U plimsoll -d postgres -c "drop database if exists plimsoll" -c "create database plimsoll"
  # The lines that show where in the text an error is are left out.
  "$PGBIN/psql" -X -a -A -h "$dir" -p "$port" -U plimsoll -d plimsoll <"$script" 2>&1 | sed -e '/^LINE [0-9]*: /,/^ *^$/d' >"$dir/out" || true
  if [ "${1:-}" = --write ]; then
    cp "$dir/out" "$here/golden/$name.out"
  elif ! diff -u "$here/golden/$name.out" "$dir/out"; then
    status=1
  fi
done
exit $status
