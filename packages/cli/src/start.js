// Starts the CLI, or says plainly which Node it needs: an older one cannot even read the sources.
const NEEDED = [24, 15]
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  process.stderr.write(`tidemark needs Node ${NEEDED.join('.')} or newer; this is ${process.versions.node}. Start it by "npm run tidemark", or install a newer Node.\n`)
  process.exitCode = 1
} else await import('./main.ts')
