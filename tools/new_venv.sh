#!/bin/sh
# new_venv.sh FOLDER: a virtual environment in FOLDER, made with $PYTHON or else the first Python that is new enough.
set -u
folder=$1
needed='ssl_nb needs Python 3.11 or newer with its venv module'
version='import sys; print("%d.%d" % sys.version_info[:2]); sys.exit(sys.version_info < (3, 11))'

if found=$("$folder/bin/python" -c "$version" 2>/dev/null); then
    "$folder/bin/python" -c 'import pip, sys; sys.exit(sys.prefix == sys.base_prefix)' 2>/dev/null && exit 0
elif [ -n "$found" ]; then
    echo "$needed; the environment in $folder has $found: remove it with 'make distclean' and try again" >&2
    exit 1
fi

tried=
for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if ! found=$("$python" -c "$version" 2>/dev/null); then
        [ -n "$found" ] && tried="$tried $python is $found,"
    elif ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        tried="$tried $python ($found) lacks venv or ensurepip (on Debian and Ubuntu: apt install python3-venv),"
    else
        echo "making $folder with $python ($found) ..."
        exec "$python" -m venv "$folder"
    fi
done
echo "$needed;${tried:- none was found as ${PYTHON:-python3},} choose one with 'make PYTHON=/path/to/python3'" >&2
exit 1
