#!/bin/sh
# demo.sh - shows Remora at work: Debian's own nginx with embeddings.conf on a
# free loopback port, real requests with curl, then the real sqlite3 shell.
# make demo runs it. It checks every answer it shows, exits non-zero when one
# is wrong, and must never leave a process or a file behind.
#
# Environment: NGINX, SQLITE3 and CURL (the programs), MODELS (the directory
# that holds all-MiniLM-L6-v2), KEEP=1 (leave the server running until ^C).
set -eu
LC_ALL=C no_proxy='*' # nothing here leaves the machine
export LC_ALL no_proxy
cd "$(dirname "$0")/.."

: "${NGINX:=nginx}" "${SQLITE3:=sqlite3}" "${CURL:=curl}"
: "${MODELS:=build/models}" "${KEEP:=}"
NAME=all-MiniLM-L6-v2
MODEL=$MODELS/$NAME
MODULE=build/ngx_http_remora_module.so

bold='' dim='' good='' bad='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m')
    good=$(printf '\033[32m') bad=$(printf '\033[31m')
    plain=$(printf '\033[0m')
fi

prefix='' server='' step=0

# Ends the server, and waits until it has gone: its files go with it.
stop_server() {
    [ -n "$server" ] || return 0
    kill -QUIT "$server" 2>/dev/null || :
    patience=50
    while kill -0 "$server" 2>/dev/null && [ "$patience" -gt 0 ]; do
        sleep 0.1
        patience=$((patience - 1))
    done
    kill -TERM "$server" 2>/dev/null || :
    wait "$server" 2>/dev/null || :
    server=''
}

cleanup() {
    status=$?
    trap '' INT TERM HUP
    stop_server
    [ -z "$prefix" ] || rm -rf "$prefix"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# --------------------------------------------------------------------- words

title() {
    step=$((step + 1))
    printf '\n%s%d. %s%s\n' "$bold" "$step" "$1" "$plain"
}

# row LABEL VALUE: aligned under a title.
row() {
    printf '   %-10s %s\n' "$1" "$2"
}

# shown COMMAND: what a reader would type.
shown() {
    printf '   %s$ %s%s\n' "$dim" "$1" "$plain"
}

fail() {
    printf '\n%sdemo.sh: %s%s\n' "$bad" "$1" "$plain" >&2
    exit 1
}

ok() {
    printf '   %-10s %sok%s, %s\n' check "$good" "$plain" "$1"
}

now_ms() {
    echo $(($(date +%s%N) / 1000000))
}

# cut_to FILE: a file on one line, with its middle left out when it is long.
cut_to() {
    length=$(wc -c <"$1")
    if [ "$length" -le 200 ]; then
        tr '\n' ' ' <"$1"
    else
        printf '%s %s... %d bytes ...%s %s' "$(head -c 110 "$1")" \
            "$dim" "$length" "$plain" "$(tail -c 75 "$1")"
    fi
}

# json FILE SQL: a value out of a JSON file, which SQL sees as doc.body.
json() {
    "$SQLITE3" -batch -noheader :memory: \
        "WITH doc(body) AS (SELECT CAST(readfile('$1') AS TEXT)) $2"
}

# ---------------------------------------------------------------- the server

start_server() {
    prefix=$(mktemp -d)
    chmod 755 "$prefix" # started by root, the worker is another user
    mkdir "$prefix/modules" "$prefix/models"
    ln -s "$PWD/$MODULE" "$prefix/modules/"
    ln -s "$(cd "$MODEL" && pwd)" "$prefix/models/$NAME"
    port=8080
    while :; do
        free_port
        sed "s/127\.0\.0\.1:8080/127.0.0.1:$port/" \
            conf-examples/embeddings.conf >"$prefix/embeddings.conf"
        "$NGINX" -e error.log -p "$prefix" -c embeddings.conf \
            -g 'daemon off;' 2>"$prefix/start.log" &
        server=$!
        if healthy; then
            return 0
        fi
        # Somebody took the port between the look and the start.
        grep -q 'Address already in use' "$prefix/start.log" ||
            fail "nginx did not start: $(cat "$prefix/start.log")"
        stop_server
        port=$((port + 1))
    done
}

# The next port from $port on where nobody answers (curl's status 7).
free_port() {
    last=$((port + 200))
    while [ "$port" -lt "$last" ]; do
        status=0
        "$CURL" -s -o /dev/null --max-time 2 \
            "http://127.0.0.1:$port/" || status=$?
        [ "$status" != 7 ] || return 0
        port=$((port + 1))
    done
    fail "no free port from $((last - 200)) to $last on 127.0.0.1."
}

# Waits for the health check, which runs the model once.
healthy() {
    patience=150
    while [ "$patience" -gt 0 ]; do
        kill -0 "$server" 2>/dev/null || return 1
        code=$("$CURL" -s -o "$prefix/health" -w '%{http_code}' \
            "http://127.0.0.1:$port/health") || code=000
        [ "$code" != 200 ] || return 0
        sleep 0.1
        patience=$((patience - 1))
    done
    fail "the health check of http://127.0.0.1:$port/health did not answer \
200 within 15 seconds; the last answer was $code."
}

# post BODY: sends it; the answer is in $prefix/answer, its status in $code,
# the time it took in $took.
post() {
    shown "curl $url -d '$1'"
    written=$("$CURL" -sS -o "$prefix/answer" --max-time 60 \
        -w '%{http_code} %{time_total}' "$url" -d "$1") ||
        fail "curl could not reach $url."
    code=${written% *} took=${written#* }
    row status "$code, $(milliseconds "$took")"
    row answer "$(cut_to "$prefix/answer")"
}

milliseconds() {
    echo "$1" | awk '{ printf "%.1f ms", $1 * 1000 }'
}

expect_code() {
    [ "$code" = "$1" ] || fail "the status is $code, not $1."
}

# ------------------------------------------------------------------ the demo

for file in "$MODULE" build/remora.so "$MODEL/config.json"; do
    [ -f "$file" ] || fail "$file is not there; make demo builds it."
done

title "A model, as Hugging Face has it"
row path "$MODEL"
row weights "$(($(wc -c <"$MODEL/model.safetensors") / 1000000)) MB, float32"

title "Debian's nginx, with one module and one directive: remora_model"
start=$(now_ms)
start_server
base=http://127.0.0.1:$port
url=$base/v1/embeddings
shown "nginx -p $prefix -c embeddings.conf"
row version "$("$NGINX" -v 2>&1 | sed 's/.*: //')"
row listens "$base"
shown "curl $base/health"
row answer "$(cut_to "$prefix/health")"
ok "healthy $(($(now_ms) - start)) ms after the start"

title "One text over HTTP, as OpenAI's clients send it"
text='card charged twice'
post "{\"model\": \"minilm\", \"input\": \"$text\"}"
expect_code 200
answer=$(json "$prefix/answer" "
    SELECT json_array_length(body, '\$.data[0].embedding') || ' ' ||
           (SELECT sum(value * value) BETWEEN 0.999 AND 1.001
              FROM json_each(body, '\$.data[0].embedding')) || ' ' ||
           (json_extract(body, '\$.usage.prompt_tokens') > 3)
      FROM doc")
[ "$answer" = "384 1 1" ] || fail "this is not an embedding of 384 numbers \
of unit length with its token count ($answer)."
ok "384 numbers, unit length"
cp "$prefix/answer" "$prefix/query"

title "Several texts in one request"
post '{"model": "minilm", "input": ["I was billed two times",
      "Where is my parcel?", "The camera view stays black"]}'
expect_code 200
row cosine "to '$text', by the vectors in the two answers:"
json "$prefix/answer" "
    , query(body) AS (SELECT CAST(readfile('$prefix/query') AS TEXT))
    SELECT printf('   %10s %.4f  text %d', '', sum(a.value * b.value),
                  json_extract(d.value, '\$.index'))
      FROM doc, query, json_each(doc.body, '\$.data') AS d,
           json_each(d.value, '\$.embedding') AS a
      JOIN json_each(query.body, '\$.data[0].embedding') AS b
        ON a.key = b.key
     GROUP BY d.key" | tee "$prefix/cosines"
sort -rn "$prefix/cosines" | head -n 1 | grep -q 'text 0$' ||
    fail "the text about billing is not the nearest."
ok "the text about billing is the nearest"

title "A wrong request gets one sentence"
post '{"model": "minilm", "input": 42}'
expect_code 400
[ -n "$(json "$prefix/answer" \
    "SELECT json_extract(body, '\$.error.message') FROM doc")" ] ||
    fail "the answer has no error.message."
ok "refused, the server goes on"

title "The same model in the sqlite3 shell"
cat >"$prefix/tickets.sql" <<SQL
.load build/remora
INSERT INTO remora_models(name, path) VALUES ('minilm', '$MODEL');
CREATE TABLE tickets(id INTEGER PRIMARY KEY, body TEXT, embedding BLOB);
INSERT INTO tickets(body) VALUES
  ('The same purchase appears twice on my card statement'),
  ('The parcel has not arrived after two weeks'),
  ('How do I reset my password?'),
  ('The camera view stays black'),
  ('My refund is still missing from my bank account'),
  ('Please change the delivery address of my order'),
  ('My credit card was debited two times for one order'),
  ('The shoes are too small, can I swap them?'),
  ('I cannot log in since the update'),
  ('Do you ship to Norway?');
.timer on
UPDATE tickets SET embedding = embed(body);
.mode box
SELECT id, body, round(embed_cosine(embedding, embed('$text')), 4) AS cosine
FROM tickets
ORDER BY embed_cosine(embedding, embed('$text')) DESC LIMIT 3;
.timer off
.mode list
.once '$prefix/best'
SELECT group_concat(id) FROM (SELECT id FROM tickets
ORDER BY embed_cosine(embedding, embed('$text')) DESC LIMIT 3);
.once '$prefix/vector'
SELECT embed_to_json(embed('$text'));
SQL
shown "sqlite3"
sed -e "s/^/   ${dim}sqlite>${plain} /" -e '/best/,$d' -e '/timer off/,$d' \
    "$prefix/tickets.sql"
start=$(now_ms)
"$SQLITE3" -batch -bail :memory: <"$prefix/tickets.sql" \
    >"$prefix/table" 2>&1 || {
    cat "$prefix/table"
    fail "sqlite3 failed; its words are above."
}
took=$(($(now_ms) - start))
sed 's/^/   /' "$prefix/table"
row time "$took ms in all: load, embed 10 tickets, rank"
case $(cat "$prefix/best") in
7,1,*) ok "the two tickets about a double charge come first" ;;
*) fail "the best tickets are $(cat "$prefix/best"), not 7 and 1." ;;
esac

title "The two hosts agree"
same=$(json "$prefix/query" "
    , sql(body) AS (SELECT CAST(readfile('$prefix/vector') AS TEXT))
    SELECT sum(a.value = b.value) FROM doc, sql,
           json_each(doc.body, '\$.data[0].embedding') AS a
      JOIN json_each(sql.body) AS b ON a.key = b.key")
[ "$same" = 384 ] || fail "only $same of 384 numbers are the same."
ok "nginx and SQLite gave the same 384 numbers for '$text'"

if [ "$KEEP" = 1 ]; then
    stopped=''
    trap 'stopped=1' INT
    title "The server stays until you press ^C"
    row url "$url"
    shown "curl $url -d '{\"model\": \"minilm\", \"input\": \"your text\"}'"
    wait "$server" || [ -n "$stopped" ] || fail "nginx ended by itself."
    printf '\n   nginx stopped, nothing left behind.\n'
else
    title "Stopping"
    stop_server
    row "" "nginx stopped, nothing left behind."
    row again "make demo KEEP=1 leaves the server running until ^C."
fi
