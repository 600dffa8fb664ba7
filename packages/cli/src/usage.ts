// What the help of each command shows to type, by the command's name.

/** Without `tidemark` before them. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'dev': ['dev totals.ts', 'dev', 'dev totals.ts --fresh --executors 3', 'dev totals.ts --dir /tmp/cluster --driver 127.0.0.1:7401'],
  'submit': ['submit totals.ts', 'submit totals.ts --driver driver-1:7400,driver-2:7400', 'submit totals.ts --from 12 --wait'],
  'build': ['build totals.ts --out totals.ndjson', 'build totals.ts --out totals.ndjson --from 12'],
  'jobs': ['jobs', 'jobs --json'],
  'describe': ['describe totals', 'describe totals --follow', 'describe totals --json'],
  'cancel': ['cancel totals', 'cancel totals --timeout 600', 'cancel totals --now'],
  'events': ['events', 'events totals --follow', 'events --follow --json'],
  'topics': ['topics', 'topics --all --kafka broker-1:9092', 'topics create orders --partitions 4'],
  'topics list': ['topics list', 'topics list --all'],
  'topics create': ['topics create orders --partitions 4', 'topics create orders --partitions 4 --config retention.ms=-1'],
  'write': ["write orders --key user < orders.ndjson", "write orders --key user --timestamp ts < orders.ndjson"],
  'read': ['read totals', 'read totals --follow', 'read totals --from 100 --partition 0 --count 10', 'read totals.dead-letters --json'],
  'audit': ['audit totals', 'audit totals --state', 'audit totals --run 3 --json', 'audit totals --shared revenue --kafka broker-1:9092'],
  'doctor': ['doctor --kafka broker-1:9092 --s3-endpoint http://minio:9000 --redis redis://redis:6379', 'doctor --json'],
  'config': ['config', 'config --json', 'config --kafka broker-1:9092', 'config --heartbeat-timeout 3s --slots 2'],
  'driver': ['driver --kafka broker-1:9092 --s3-endpoint http://minio:9000 --redis redis://redis:6379 --listen 0.0.0.0:7400 --advertise driver-1:7400', 'driver --dir .tidemark'],
  'executor': ['executor --driver driver-1:7400,driver-2:7400 --slots 2', 'executor --driver driver-1:7400,driver-2:7400 --probe-host executor-1 --label west-1'],
  'demo': ['demo', 'demo --seconds 30 --rate 10000 --seed 1'],
}

/** The end of a command's help. */
export const examplesOf = (name: string): string => `\nExamples:\n${(EXAMPLES[name] ?? []).map((line) => `  tidemark ${line}\n`).join('')}`
