// Reads NDJSON files as a log: the path is the topic, its one partition is 0, a line's number is its offset.
//
// A line is complete when its newline is there: a last line without one is not read until it gets one, whether the file grows or not
// (nobody can tell a writer that is done from one in the middle of a line). A carriage return before the newline belongs to the line end,
// an UTF-8 byte order mark before line 0 to nothing; an empty line is a record with an empty value.
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { formatSize, howMany, TidemarkError } from '@tidemark/base'
import type { Clock, FetchedPartition, FetchOptions, FetchRequest, LogReader, LogRecord } from '@tidemark/base'
import { LineIndex } from './line-index.ts'
import type { LineStart } from './line-index.ts'

const LINE_BYTES_MAX = 8 * 1024 * 1024
const BLOCK_BYTES_MIN = 64 * 1024
const BLOCK_BYTES_MAX = 4 * 1024 * 1024
/** Looking for the position of a line far away goes on in the next fetch after so much. */
const SCAN_BYTES_MAX = 64 * 1024 * 1024
const POLL_MS = 50
/** A named pipe would else be waited for before it can be refused. Windows has no such flag. */
const NO_WAIT = constants.O_NONBLOCK ?? 0
const NEWLINE = 10
const RETURN = 13
const BOM = Buffer.from([0xef, 0xbb, 0xbf])

export interface FileReaderOptions {
  readonly clock: Clock
  /** Longest line, bytes. A longer one is `FILE_LINE_TOO_LONG` with its number. Default 8 MiB. */
  readonly lineBytesMax?: number
}

const missing = (path: string, why: string, cause?: unknown): TidemarkError =>
  new TidemarkError(`${path} can't be read: ${why}`, { code: 'LOG_TOPIC_MISSING', blame: 'user', action: 'fail-job', topic: path, cause, hint: 'Check the path of the source; it is looked up where the executor runs.' })

const openError = (path: string, error: unknown): TidemarkError => {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  if (code === 'ENOENT' || code === 'ENOTDIR') return missing(path, 'there is no such file', error)
  if (code === 'EACCES' || code === 'EPERM') return new TidemarkError(`${path} can't be read: no permission`, { code: 'LOG_NOT_AUTHORISED', blame: 'user', action: 'fail-job', topic: path, cause: error })
  return new TidemarkError(`${path} can't be read: ${error instanceof Error ? error.message : String(code ?? error)}`, { code: 'LOG_UNAVAILABLE', blame: 'environment', action: 'retry', topic: path, cause: error })
}

const outOfRange = (request: FetchRequest, lines: number, why: string): TidemarkError =>
  new TidemarkError(`${request.topic}: line ${request.offset} is to be read next, but ${why}`, {
    code: 'LOG_OUT_OF_RANGE', blame: 'environment', action: 'fail-job', topic: request.topic, partition: 0, offset: request.offset, details: { start: 0, end: lines, requested: request.offset },
    hint: 'A source file may only grow. Put the file back as it was, or start a new run of the job for the new one.',
  })

const readAt = async (file: FileHandle, position: number, length: number): Promise<Buffer> => {
  const block = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(block, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return block.subarray(0, filled)
}

/**
 * A LogReader over files. Reading on is one read at a known position, a start at line n scans the file once up to n. `timestamp` is the
 * file's modification time at the fetch, `key` null. `stableOffset` is the number of complete lines known so far, and at least one more
 * than `nextOffset` when a complete line follows (one whose end lies within 64 KiB of its beginning; a longer one shows with the next fetch).
 * A path that names another file than before, or a file that was cut, is `LOG_OUT_OF_RANGE`. An aborted fetch rejects with the signal's reason.
 */
export const openFileReader = ({ clock, lineBytesMax = LINE_BYTES_MAX }: FileReaderOptions): LogReader => {
  const indexes = new Map<string, LineIndex>()
  const ending = new AbortController()

  const tooLong = (path: string, line: number): TidemarkError =>
    new TidemarkError(`${path}: line ${line} is longer than ${formatSize(lineBytesMax)}`, {
      code: 'FILE_LINE_TOO_LONG', blame: 'user', action: 'fail-job', topic: path, partition: 0, offset: line, details: { lineBytesMax }, hint: 'Lines are counted from 0. Is this file newline-delimited JSON?',
    })

  /** The start of line `offset`, or undefined when the scan has to go on in another fetch. */
  const seek = async (file: FileHandle, index: LineIndex, request: FetchRequest): Promise<LineStart | undefined> => {
    let { line, byte } = index.before(request.offset)
    let position = byte
    for (let left = SCAN_BYTES_MAX; line < request.offset; left -= BLOCK_BYTES_MAX) {
      if (left <= 0) return undefined
      const block = await readAt(file, position, BLOCK_BYTES_MAX)
      for (let end = block.indexOf(NEWLINE); end >= 0 && line < request.offset; end = block.indexOf(NEWLINE, end + 1)) {
        line += 1
        byte = position + end + 1
        index.note(line, byte)
      }
      position += block.length
      if (line < request.offset && position - byte > lineBytesMax) throw tooLong(request.topic, line)
      if (line < request.offset && block.length < BLOCK_BYTES_MAX) throw outOfRange(request, line, `the file has ${howMany(line, 'complete line')}`)
    }
    return { line, byte }
  }

  /** Bytes from `at` on up to `size`, with at least one newline unless there is none; nothing when nothing follows. */
  const readBlock = async (file: FileHandle, index: LineIndex, request: FetchRequest, at: LineStart, size: number): Promise<Buffer> => {
    const before = at.byte > 0 ? 1 : 0
    for (let length = Math.min(Math.max(request.maxBytes, BLOCK_BYTES_MIN), BLOCK_BYTES_MAX); ; length *= 4) {
      const rest = Math.min(length, size - at.byte)
      if (rest <= 0) return Buffer.alloc(0)
      const read = await readAt(file, at.byte - before, before + rest)
      // What ended the line before must still be there: a file written anew in its place hardly has a newline at the same byte.
      if (before === 1 && read[0] !== NEWLINE) throw outOfRange(request, index.furthest.line, `the file was written anew: no line begins at byte ${at.byte} any more`)
      const block = read.subarray(before)
      if (block.includes(NEWLINE)) return block
      if (block.length > lineBytesMax) throw tooLong(request.topic, at.line)
      if (rest < length) return block
    }
  }

  const readLines = async (file: FileHandle, index: LineIndex, request: FetchRequest, from: LineStart, size: number, timestamp: number): Promise<FetchedPartition | undefined> => {
    const block = await readBlock(file, index, request, from, size)
    const records: LogRecord[] = []
    let start = 0
    let end = block.indexOf(NEWLINE)
    for (; end >= 0 && start < Math.max(request.maxBytes, 1); end = block.indexOf(NEWLINE, start)) {
      const line = from.line + records.length
      if (end - start > lineBytesMax) {
        if (records.length === 0) throw tooLong(request.topic, line)
        break
      }
      const begin = line === 0 && block.subarray(start, start + BOM.length).equals(BOM) ? start + BOM.length : start
      records.push({ offset: line, timestamp, key: null, value: block.subarray(begin, end > begin && block[end - 1] === RETURN ? end - 1 : end) })
      start = end + 1
      index.note(line + 1, from.byte + start)
    }
    if (records.length === 0) return undefined
    const next = { line: from.line + records.length, byte: from.byte + start }
    index.endedAt(next)
    const follows = end >= 0 || (next.byte < size && (await readAt(file, next.byte, BLOCK_BYTES_MIN)).includes(NEWLINE))
    return {
      topic: request.topic, partition: 0, fromOffset: from.line, records, nextOffset: next.line, startOffset: 0,
      stableOffset: Math.max(index.furthest.line, next.line + (follows ? 1 : 0)),
    }
  }

  /** Undefined: nothing to read yet. `scanning`: not there yet, ask again at once. */
  const fetchOne = async (request: FetchRequest): Promise<FetchedPartition | 'scanning' | undefined> => {
    const { topic: path } = request
    if (request.partition !== 0) throw missing(path, `a file has the partition 0 only, not ${request.partition}`)
    const file = await open(path, constants.O_RDONLY | NO_WAIT).catch((error: unknown) => {
      throw openError(path, error)
    })
    try {
      const stat = await file.stat()
      if (!stat.isFile()) throw missing(path, stat.isDirectory() ? 'it is a folder' : 'it is no regular file')
      const identity = `${stat.dev}:${stat.ino}`
      const index = indexes.get(path) ?? new LineIndex(identity)
      indexes.set(path, index)
      const { line, byte } = index.furthest
      if (index.identity !== identity) throw outOfRange(request, line, 'another file has been put in its place')
      if (stat.size < byte) throw outOfRange(request, line, `the file was cut: ${stat.size} bytes, ${byte} had been read`)
      const from = await seek(file, index, request)
      return from ? await readLines(file, index, request, from, stat.size, Math.floor(stat.mtimeMs)) : 'scanning'
    } catch (error) {
      throw error instanceof TidemarkError ? error : openError(path, error)
    } finally {
      await file.close()
    }
  }

  const fetchAll = async (requests: readonly FetchRequest[], { maxWaitMs, signal, answerQuiet = false }: FetchOptions): Promise<FetchedPartition[]> => {
    const end = clock.monotonic() + maxWaitMs
    const stop = signal ? AbortSignal.any([ending.signal, signal]) : ending.signal
    for (;;) {
      stop.throwIfAborted()
      const fetched: FetchedPartition[] = []
      const quiet: FetchedPartition[] = []
      let scanning = false
      for (const request of requests) {
        const answer = await fetchOne(request)
        if (answer === 'scanning') scanning = true
        else if (answer) fetched.push(answer)
        else quiet.push({ topic: request.topic, partition: 0, fromOffset: request.offset, records: [], nextOffset: request.offset, startOffset: 0, stableOffset: request.offset })
      }
      const left = end - clock.monotonic()
      if (fetched.length > 0 || left <= 0) return answerQuiet ? [...fetched, ...quiet] : fetched
      // An abort is seen in the next turn, which throws the signal's own reason.
      if (!scanning) await clock.sleep(Math.min(POLL_MS, left), stop).catch(() => {})
    }
  }

  let busy = false
  return {
    fetch: async (requests, options) => {
      if (busy) throw new TidemarkError('two fetches at once on one file reader', { code: 'LOG_READER_MISUSED', blame: 'bug', action: 'restart-task' })
      busy = true
      try {
        return await fetchAll(requests, options)
      } finally {
        busy = false
      }
    },
    close: async () => {
      ending.abort(new TidemarkError('this file reader is closed', { code: 'LOG_CLOSED', blame: 'bug', action: 'restart-task' }))
    },
  }
}
