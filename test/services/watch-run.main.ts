// Beside one Jest run: when Jest is gone, however it went, everything that the run started is ended. Says nothing; its input is a pipe that Jest holds.
import { endAbandonedRun } from './run-folder.ts'

const [folder = ''] = process.argv.slice(2)
process.stdin.on('close', () => endAbandonedRun(folder))
process.stdin.resume()
