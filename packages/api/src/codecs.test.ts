// Codecs: what comes back, and what is refused.
import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { z } from 'zod'
import { bytes, codecName, hasSchema, json, string } from './codecs.ts'

const asBuffer = (encoded: Buffer | string): Buffer => typeof encoded === 'string' ? Buffer.from(encoded) : encoded
const code = (name: string, message = '') => expect.objectContaining({ code: name, blame: 'user', message: expect.stringContaining(message) })

describe('codecs', () => {
  test('codecs: what is encoded comes back', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      const codec = json<unknown>()
      expect(codec.decode(asBuffer(codec.encode(value)))).toEqual(JSON.parse(JSON.stringify(value)))
    }))
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (value) => {
      expect(string().decode(asBuffer(string().encode(value)))).toBe(value)
    }))
    const some = Buffer.from([0, 255, 1])
    expect(bytes().decode(asBuffer(bytes().encode(some)))).toBe(some)
  })

  test('json: bytes that are no JSON, or no UTF-8 → an error of the record, nothing replaced', () => {
    expect(() => json().decode(Buffer.from('{"user":'))).toThrow(code('JOB_DECODE', 'no JSON'))
    expect(() => json().decode(Buffer.from([0x22, 0xff, 0x22]))).toThrow(code('JOB_DECODE', 'no UTF-8'))
    expect(() => string().decode(Buffer.from([0xc3]))).toThrow(code('JOB_DECODE', 'no UTF-8'))
  })

  test('json: a value without JSON → refused, not written as nothing', () => {
    expect(() => json<undefined>().encode(undefined)).toThrow(code('JOB_ENCODE', 'undefined'))
  })

  const order = z.object({ user: z.string(), amount: z.number(), tags: z.array(z.string()).default([]) })

  test('schema: the value is what the schema makes of it', () => {
    expect(json(order).decode(Buffer.from('{"user":"ada","amount":1,"more":true}'))).toEqual({ user: 'ada', amount: 1, tags: [] })
  })

  test('schema: a record that does not match → every issue by its path', () => {
    expect(() => json(order).decode(Buffer.from('{"user":7,"tags":["a",1]}'))).toThrow(code('JOB_SCHEMA', 'user: '))
    expect(() => json(order).decode(Buffer.from('{"user":7,"tags":["a",1]}'))).toThrow(/amount: .*tags\.1: /)
    expect(() => json(z.array(z.number())).decode(Buffer.from('["a","b","c","d","e","f","g"]'))).toThrow(/and 2 more/)
  })

  test('schema: a record that is wrong as a whole → said of the value', () => {
    expect(() => json(z.string()).decode(Buffer.from('1'))).toThrow(code('JOB_SCHEMA', 'its schema: value: '))
    const plain = { '~standard': { version: 1 as const, vendor: 'test', validate: () => ({ issues: [{ message: 'no' }] }) } }
    expect(() => json(plain).decode(Buffer.from('1'))).toThrow(/schema: value: no$/)
  })

  test('codecs: the plan knows ours by name, any other is custom', () => {
    const other = { name: 'avro', encode: (value: string) => value, decode: (value: Buffer) => value.toString() }
    expect([json(), string(), bytes(), other].map((codec) => [codecName(codec), hasSchema(codec)])).toEqual([['json', false], ['string', false], ['bytes', false], ['custom', false]])
    expect([codecName(json(order)), hasSchema(json(order))]).toEqual(['json', true])
  })

  test('schema: one that validates asynchronously → refused loudly', () => {
    const slow = order.refine(async () => true)
    const later = { '~standard': { version: 1 as const, vendor: 'test', validate: async (value: unknown) => ({ value }) } }
    expect(() => json(later).decode(Buffer.from('1'))).toThrow(code('JOB_ASYNC_SCHEMA', 'asynchronously'))
    expect(() => json(slow).decode(Buffer.from('{"user":"ada","amount":1}'))).toThrow(code('JOB_ASYNC_SCHEMA', 'asynchronously'))
  })
})
