#!/bin/bash
# build.sh builds the nginx module from build/libremora.a. It must never write
# to the nginx sources, and does nothing when nothing changed. Debian's
# nginx-dev gives its configure flags as a bash array, hence bash.
#
# Environment: NGINX_SRC, nginx-dev's directory or an nginx source tree;
# NGINX_FLAGS, configure flags for a source tree (those of the nginx that will
# load the module, when it was built without --with-compat); LIBS, the
# libraries that libremora.a needs; CC, CFLAGS, LDFLAGS.

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build
work=$build/nginx
module=ngx_http_remora_module.so

NGINX_SRC=${NGINX_SRC:-/usr/share/nginx/src}

if [ ! -f "$NGINX_SRC/src/core/nginx.h" ]; then
    echo "build.sh: $NGINX_SRC has no src/core/nginx.h; install nginx-dev, or" \
        "set NGINX_SRC to an nginx source tree." >&2
    exit 1
fi

if [ ! -f "$build/libremora.a" ]; then
    echo "build.sh: $build/libremora.a is not there; run make." >&2
    exit 1
fi

# One build at a time.
exec 9<"$build"
flock 9

# nginx's configure and its Makefile would take these for their own.
cc=${CC:-cc} cflags=${CFLAGS:--g -O2} ldflags=${LDFLAGS:-}
unset CC CFLAGS CPPFLAGS LDFLAGS MAKEFLAGS MAKEOVERRIDES MFLAGS

# What config reads.
export REMORA_ROOT=$root REMORA_BUILD=$build REMORA_LIBS=${LIBS:-}

if [ -f "$NGINX_SRC/conf_flags" ]; then
    # shellcheck disable=SC1091
    . "$NGINX_SRC/conf_flags"
    flags=("${NGX_CONF_FLAGS[@]}")
else
    NGINX_FLAGS=${NGINX_FLAGS:---with-compat --without-http_gzip_module}
    read -r -a flags <<<"$NGINX_FLAGS"
fi

arguments=(
    --with-cc="$cc"
    --with-cc-opt="$cflags -fPIC"
    --with-ld-opt="$ldflags -fPIC"
    "${flags[@]}"
    --add-dynamic-module="$root/nginx-module"
    --builddir="$work/objs"
)

# Configure again only when it would come out differently.
configured() {
    printf '%s\n' "${arguments[@]}" "$NGINX_SRC" "$REMORA_LIBS"
    cksum "$NGINX_SRC/src/core/nginx.h" "$root/nginx-module/config"
}

run() {
    if ! "$@" >"$work/log" 2>&1; then
        cat "$work/log" >&2
        echo "build.sh: building the nginx module failed: $*" >&2
        exit 1
    fi
}

if [ ! -f "$work/configured" ] || ! configured | cmp -s - "$work/configured"
then
    rm -rf "$work"
    mkdir -p "$work/tree"

    # nginx's configure writes a Makefile where it is run: not in the sources.
    for name in "$NGINX_SRC"/*; do
        [ "${name##*/}" = Makefile ] || ln -s "$name" "$work/tree/"
    done

    cd "$work/tree"

    # A release has it at the top, a clone in auto/.
    configure=./configure
    [ -f "$configure" ] || configure=./auto/configure

    run "$configure" "${arguments[@]}"
    configured >"$work/configured"
fi

run make -f "$work/objs/Makefile" -C "$work/tree" modules

# A running nginx may have the old file mapped: replace it, never write to it.
if ! cmp -s "$work/objs/$module" "$build/$module"; then
    cp "$work/objs/$module" "$build/$module.new"
    mv "$build/$module.new" "$build/$module"
fi

# The Makefile compares times.
touch "$build/$module"
