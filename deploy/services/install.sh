#!/usr/bin/env bash
# Fetches what the real servers need into a cache folder (TIDEMARK_TOOLS, default ~/.cache/tidemark-tools): Kafka's jars by Maven,
# MinIO (2-5 minutes, once), toxiproxy and grpcurl by Go, a Python with gRPC by pip. redis-server, kcat and, where absent, Java and Maven come from Debian's packages (needs root).
# What is there already is not fetched again.
set -euo pipefail

KAFKA=4.1.0
LOG4J=2.24.3
# Its makers publish sources only; this is the newest commit that was tried.
MINIO=v0.0.0-20260212201848-7aac2a2c5b7c
TOXIPROXY=v2.5.0
GRPCURL=v1.9.4
GRPCIO=1.85.1

tools="${TIDEMARK_TOOLS:-$HOME/.cache/tidemark-tools}"
mkdir -p "$tools/kafka" "$tools/bin"

say() { printf '%s\n' "services: $*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

# One installation at a time: several test runs may begin at once.
if has flock; then
  exec 9>"$tools/install.lock"
  flock 9
fi

needs_jars=yes
[ -e "$tools/kafka/libs/kafka_2.13-$KAFKA.jar" ] && needs_jars=no

packages=()
has redis-server || packages+=(redis-server)
has kcat || packages+=(kcat)
has java || packages+=(default-jre-headless)
if [ $needs_jars = yes ] && ! has mvn; then packages+=(maven); fi
if [ ${#packages[@]} -gt 0 ]; then
  if ! has apt-get || [ "$(id -u)" != 0 ]; then
    say "missing: ${packages[*]}. Install them (Debian's names), or run this as root on Debian or Ubuntu."
    exit 1
  fi
  say "installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq </dev/null
  # Debian starts a redis of its own when the package is installed; these tests start theirs themselves.
  apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "${packages[@]}" </dev/null >"$tools/apt.log" 2>&1 || { cat "$tools/apt.log" >&2; exit 1; }
fi

install_kafka() {
  say "fetching Kafka $KAFKA"
  cat >"$tools/kafka/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tidemark</groupId><artifactId>kafka-libs</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$KAFKA</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>$LOG4J</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>$LOG4J</version></dependency>
  </dependencies>
</project>
POM
  rm -rf "$tools/kafka/libs.part"
  mvn -q -B -f "$tools/kafka/pom.xml" dependency:copy-dependencies -DoutputDirectory="$tools/kafka/libs.part" </dev/null >"$tools/kafka/mvn.log" 2>&1 || { tail -n 40 "$tools/kafka/mvn.log" >&2; return 1; }
  rm -rf "$tools/kafka/libs"
  mv "$tools/kafka/libs.part" "$tools/kafka/libs"
}

install_minio() {
  local go=go
  has go || go=/usr/local/go/bin/go
  if ! has "$go"; then
    say "MinIO is built from source and Go (1.24 or newer) is not here: install it from https://go.dev/dl/ or put a minio program at $tools/bin/minio"
    return 1
  fi
  say "building MinIO $MINIO"
  GOBIN="$tools/bin" "$go" install "github.com/minio/minio@$MINIO" </dev/null >"$tools/minio.log" 2>&1 || { tail -n 40 "$tools/minio.log" >&2; return 1; }
}

# Without it the fault matrix leaves its network faults out and says so: no reason to fail.
install_toxiproxy() {
  local go=go
  has go || go=/usr/local/go/bin/go
  if ! has "$go"; then
    say "no toxiproxy: Go is not here"
    return 0
  fi
  say "building toxiproxy $TOXIPROXY"
  mkdir -p "$tools/toxiproxy"
  if GOBIN="$tools/toxiproxy" "$go" install "github.com/Shopify/toxiproxy/v2/cmd/server@$TOXIPROXY" </dev/null >"$tools/toxiproxy.log" 2>&1; then
    mv "$tools/toxiproxy/server" "$tools/bin/toxiproxy-server"
  else
    tail -n 20 "$tools/toxiproxy.log" >&2
    say "no toxiproxy: it could not be built"
  fi
}

# Clients that know nothing of us: without them the tests that submit by them are skipped, with the reason.
install_grpcurl() {
  local go=go
  has go || go=/usr/local/go/bin/go
  if ! has "$go"; then
    say "no grpcurl: Go is not here"
  elif ! GOBIN="$tools/bin" "$go" install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$GRPCURL" </dev/null >"$tools/grpcurl.log" 2>&1; then
    tail -n 20 "$tools/grpcurl.log" >&2
    say "no grpcurl: it could not be built"
  fi
}

install_python_client() {
  rm -rf "$tools/python"
  if ! { python3 -m venv "$tools/python" && "$tools/python/bin/pip" install -q --disable-pip-version-check "grpcio==$GRPCIO" "grpcio-reflection==$GRPCIO"; } </dev/null >"$tools/python.log" 2>&1; then
    tail -n 20 "$tools/python.log" >&2
    rm -rf "$tools/python"
    say "no gRPC for Python: it could not be installed"
  fi
}

jobs=()
if [ $needs_jars = yes ]; then install_kafka & jobs+=($!); fi
if [ ! -x "$tools/bin/minio" ]; then install_minio & jobs+=($!); fi
if [ ! -x "$tools/bin/toxiproxy-server" ]; then install_toxiproxy & jobs+=($!); fi
if [ ! -x "$tools/bin/grpcurl" ]; then install_grpcurl & jobs+=($!); fi
if [ ! -x "$tools/python/bin/python" ]; then install_python_client & jobs+=($!); fi
failed=0
for job in ${jobs[@]+"${jobs[@]}"}; do wait "$job" || failed=1; done
[ $failed = 0 ] || exit 1
say "ready in $tools"
