import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readPolicies, readPolicy } from './read-policies.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coalmine-policies-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('the policies of a folder, by name; hidden files and others are left alone', async () => {
  for (const name of ['b.yaml', 'a.yaml', 'c.yml', '.a.yaml.swp', '.d.yaml', 'README.md'])
    await writeFile(join(folder, name), name)
  expect(await readPolicies(folder)).toEqual([
    { file: join(folder, 'a.yaml'), text: 'a.yaml' },
    { file: join(folder, 'b.yaml'), text: 'b.yaml' },
    // Not a policy, but meant as one: whoever checks it says so.
    { file: join(folder, 'c.yml'), text: 'c.yml' },
  ])
})

test('without a folder there are none', async () => {
  expect(await readPolicies(join(folder, 'none'))).toEqual([])
})

test('what cannot be read is named', async () => {
  await mkdir(join(folder, 'a.yaml'))
  await expect(readPolicies(folder)).rejects.toThrow(
    'a.yaml: expected a policy, found a file that cannot be read',
  )
  await expect(readPolicy(join(folder, 'b.yaml'))).rejects.toThrow('b.yaml: expected a policy, found no file')
  await writeFile(join(folder, 'file'), '')
  await expect(readPolicies(join(folder, 'file'))).rejects.toThrow('expected a folder of policies')
})
