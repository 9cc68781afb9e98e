#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# `netlambda pki`, run as an operator runs it; what it makes is looked at with openssl(1).
# usage: test_pki.sh NETLAMBDA
set -u
program=$(realpath "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
export NETLAMBDA_PKI=$scratch/pki
failed=0

fail()
{
	printf 'not ok: %s\n%s\n' "$*" "$(cat out err 2>/dev/null)"
	failed=1
}

# pki STATUS ARGUMENT...: runs it; output and errors go to the files out and err.
pki()
{
	local expected=$1 status=0

	shift
	"$program" pki "$@" >out 2>err </dev/null || status=$?
	[ $status = "$expected" ] || fail "pki $*: expected status $expected, found $status"
}

# says WORDS...: the error has them, and it alone was printed.
says()
{
	grep -qF -- "$*" err || fail "expected an error with: $*"
}

shows()
{
	grep -qF -- "$*" out || fail "expected output with: $*"
}

verify()
{
	openssl verify -CAfile pki/ca.pem -CRLfile pki/crl.pem -crl_check "$@" >out 2>err
}

# ---- the life of a switch ----

pki 1 list
says 'there is no CA in'
pki 0 init --name example-net
shows 'next: netlambda pki issue server'
[ "$(stat -c %a pki/ca.key)" = 600 ] || fail 'mode of ca.key'
pki 0 list
shows 'no valid certificates'
pki 1 init
says 'something is there already: --force moves it aside'

pki 0 issue server lambda.example.net 192.0.2.10 2001:db8::1
openssl x509 -in server-lambda.example.net.pem -noout -text >out
for words in 'DNS:lambda.example.net, IP Address:192.0.2.10, IP Address:2001:DB8:0:0:0:0:0:1' \
	'TLS Web Server Authentication' 'CA:FALSE'; do
	shows "$words"
done
grep -q 'TLS Web Client' out && fail "a server's certificate serves a client"
pki 0 issue switch 7 --name edge-7 --server lambda.example.net:9000
shows 'on the switch: sudo netlambda pki enroll switch-7.pem'
[ "$(stat -c %a switch-7.pem)" = 600 ] || fail 'mode of switch-7.pem'
openssl x509 -in switch-7.pem -noout -text >out
shows 'URI:netlambda:switch:7'
shows 'TLS Web Client Authentication'
verify switch-7.pem || fail 'openssl does not verify the certificate of switch 7'

pki 1 issue switch 7 --to other.pem
says 'switch 7 (edge-7) has a certificate'
[ ! -e other.pem ] || fail 'a file was written for a certificate that was refused'
pki 1 issue switch 8 --to switch-7.pem
says 'switch-7.pem is there already'
pki 0 issue switch 8 --to - --days 10
mv out switch-8.pem && chmod 600 switch-8.pem
verify switch-8.pem || fail 'openssl does not verify the certificate of switch 8'

pki 0 list
shows 'switch 7 (edge-7)'
shows 'server lambda.example.net'
pki 1 list --expiring 30d
shows 'switch 8 (switch-8)'
pki 0 list --expiring 5d
shows 'none expires so soon'
pki 0 list -o json
shows '"switch": 7'

# ---- at the switch ----

pki 0 enroll switch-7.pem --to credentials.pem
shows 'this is switch 7 (edge-7) now'
shows 'its server is lambda.example.net:9000'
[ "$(stat -c %a credentials.pem)" = 600 ] || fail 'mode of credentials.pem'
pki 1 enroll switch-8.pem --to credentials.pem
says 'credentials.pem is of switch 7 (edge-7), and not of switch 8 (switch-8): --to puts it elsewhere, --force overwrites it'
pki 0 renew switch 7 --days 400
! grep -q PRIVATE switch-7.renewed.pem || fail 'a renewed certificate came with a key'
pki 0 enroll switch-7.renewed.pem --to credentials.pem
shows 'renewed credentials.pem'
shows 'its server is lambda.example.net:9000'
[ "$(openssl x509 -in credentials.pem -noout -pubkey)" = "$(openssl x509 -in switch-7.pem -noout -pubkey)" ] ||
	fail 'the key changed by renewal'
pki 0 renew switch 7 --new-key --to new.pem
pki 0 enroll new.pem --to credentials.pem
[ "$(openssl x509 -in credentials.pem -noout -pubkey)" != "$(openssl x509 -in switch-7.pem -noout -pubkey)" ] ||
	fail 'the key did not change'
pki 1 enroll switch-7.renewed.pem --to empty.pem
says 'switch-7.renewed.pem holds no private key'
"$program" pki enroll - --to stdin.pem <switch-8.pem >out 2>err || fail 'enroll from standard input'
shows 'this is switch 8 (switch-8) now'
pki 1 enroll switch-8.pem --to x.pem --owner nobody-of-this-name
says 'there is no user "nobody-of-this-name"'

# ---- the end of it ----

pki 0 show switch 7
shows 'uri:netlambda:switch:7'
serial=$(sed -n 's/^serial *//p' out)
pki 0 revoke "$serial" --reason superseded
shows "revoked $serial of switch 7 (edge-7): superseded"
pki 0 revoke switch 7 --reason key-compromise
verify switch-7.pem && fail 'openssl verifies a revoked certificate'
grep -q 'certificate revoked' err || fail 'it is not the revocation that is the reason'
verify switch-8.pem || fail 'the revocation of another is taken for its own'
openssl crl -in pki/crl.pem -noout -text >out
shows 'Key Compromise'
pki 0 revoke switch 7
shows 'it was revoked before'
pki 1 revoke switch 99
says 'no valid certificate of that name'
pki 1 renew switch 7
says 'no certificate of that name that is not revoked'
pki 0 show "$serial"
shows 'revoked'
pki 0 list --all
shows 'revoked: key-compromise'
pki 0 crl --days 3
openssl crl -in pki/crl.pem -noout -nextupdate >out
pki 0 show
shows 'example-net'
pki 0 show switch-8.pem -o json
shows '"names": ['

# ---- certificates of other makings ----

openssl req -new -newkey rsa:2048 -nodes -keyout csr.key -subj /CN=ignored -out csr.pem 2>/dev/null
pki 0 issue switch 12 --request csr.pem --server '[2001:db8::1]:9000'
! grep -q PRIVATE switch-12.pem || fail 'a file for a request holds a key'
! grep -q 'holds a private key' out || fail 'the file is said to hold a key'
verify switch-12.pem || fail 'openssl does not verify the certificate for a request'
openssl req -new -newkey rsa:1024 -nodes -keyout csr.key -subj /CN=weak -out weak.pem 2>/dev/null
pki 1 issue switch 13 --request weak.pem
says 'the key is too weak'
sed 's/^MII./MIIA/' csr.pem >broken.pem
pki 1 issue switch 13 --request broken.pem
says 'broken.pem'

# ---- passphrases, damage, mistakes ----

echo 'correct horse' >pass && echo wrong >wrong
pki 0 init --dir sealed --passphrase-file pass
grep -q 'BEGIN ENCRYPTED PRIVATE KEY' sealed/ca.key || fail 'the key is not encrypted'
pki 1 issue switch 1 --dir sealed --passphrase-file wrong
says 'a wrong passphrase'
pki 0 issue switch 1 --dir sealed --passphrase-file pass
setsid "$program" pki issue switch 2 --dir sealed </dev/null >out 2>err && fail 'no passphrase'
says 'there is no terminal to ask for the passphrase'

# answer STATUS "ARGUMENTS" ANSWER...: on a terminal, with an answer to each question.
answer()
{
	python3 - "$program" "$@" >out 2>err <<'PYTHON' || fail "on a terminal: $*"
import os, pty, sys
program, expected, arguments, *answers = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(program, [program, "pki", *arguments.split()])
seen = b""
try:
    while chunk := os.read(terminal, 1000):
        seen += chunk
        if chunk.endswith(b": ") and answers:
            os.write(terminal, answers.pop(0).encode() + b"\n")
except OSError:
    pass
print(seen.decode())
sys.exit(answers != [] or os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != int(expected))
PYTHON
}
answer 0 'init --dir asked --encrypt' 'open sesame' 'open sesame'
grep -q sesame out && fail 'the passphrase was echoed'
answer 1 'issue switch 1 --dir asked' 'open'
shows 'a wrong passphrase'
answer 0 'issue switch 1 --dir asked --to asked.pem' 'open sesame'
answer 1 'init --dir asked2 --encrypt' 'one' 'two'
shows 'the passphrases differ'
answer 1 'issue switch 2 --to -'
shows 'a private key is not printed on a terminal'

pki 0 init --force
shows "what was in $scratch/pki is in $scratch/pki.2"
[ "$(find . -maxdepth 1 -name 'pki.2*' | wc -l)" = 1 ] || fail 'the old CA is gone'
verify switch-8.pem && fail 'another CA verifies it'
echo garbage >>pki/index
pki 1 list
says "$scratch/pki/index:2: expected 6 fields"
pki 1 issue switch 3
says "$scratch/pki/index:2: expected 6 fields"

while IFS='|' read -r line words; do
	# shellcheck disable=SC2086
	pki 2 $line
	says "$words"
done <<'LINES'
|expected a verb
isue|did you mean "issue"?
zzzzzz|there is no "zzzzzz"
issue|expected "switch ID" or "server NAME..."
issue switch|expected "switch ID" or "server NAME..."
issue switch 0|expected a switch's number
issue switch 4294967296|expected a switch's number
issue switch 7 x|expected "switch ID" or "server NAME..."
issue server -bad-.example|there is no option
issue server bad_name|expected a DNS name or an address
issue server 192.0.2.256|expected a DNS name or an address
issue server a..b|expected a DNS name or an address
issue switch 7 --name a/b|--name: expected
issue switch 7 --server host:|--server: expected HOST[:PORT]
issue switch 7 --server host:0|--server: expected HOST[:PORT]
issue switch 7 --server ::1|--server: expected HOST[:PORT]
issue switch 7 --server [::1|--server: expected HOST[:PORT]
issue switch 7 --days 0|--days: expected a number
revoke|expected "switch ID", "server NAME" or a serial
revoke switch 7 --reason boredom|--reason: expected
list --expiring soon|--expiring: expected a duration
list now|unexpected "now"
enroll|expected one file
LINES

"$program" help pki >out && shows 'enroll'
"$program" help pki issue >out && shows 'Examples:'
"$program" pki --help >out && shows 'Verbs:'
exit $failed
