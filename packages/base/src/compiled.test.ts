import { describe, expect, test } from '@jest/globals'
import { fileOf } from './compiled.ts'

describe('compiled', () => {
  test.each([
    ['file:///app/packages/executor/src/shell/processes.ts', '/app/packages/executor/src/slot.main.ts'],
    ['file:///app/node_modules/tidemark/dist/chunk-ABC.js', '/app/node_modules/tidemark/dist/slot.main.js'],
  ])('compiled, asked by %s → %s', (module, file) => {
    expect(fileOf(module, '../slot.main.ts', './slot.main.js')).toBe(file)
  })
})
