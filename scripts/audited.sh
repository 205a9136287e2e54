# shellcheck shell=bash disable=SC2034
# What must never be in the enclave's build: for check.sh and build-release.sh, which source this.

# What only the simulation contains. The enclave's release build must have none of it.
SIM_MARKERS=('SIMULATED' 'uds:' 'cannot write --sim-root')
# What only the host side contains.
HOST_MARKERS=('describe-enclaves' 'terminate-enclave')
# Crates that only the simulation or the light client uses; the host side needs none of its own. The enclave's release
# build must depend on none.
FOREIGN_CRATES=('rcgen' 'yasna' 'blst' 'revm' 'alloy-consensus')
