import { describe, expect, it } from 'vitest'
import { dot, linear, logarithmic, polyline, svg, text } from './svg.ts'

describe('a picture', () => {
  const picture = svg({
    title: 'a < b',
    description: 'b & c',
    height: 100,
    shapes: [text(1, 2, 'x < y & z')],
  })

  it('tells what it shows to those who cannot see it', () => {
    expect(picture).toContain('role="img" aria-labelledby="title description"')
    expect(picture).toContain('<title id="title">a &lt; b</title>')
    expect(picture).toContain('<desc id="description">b &amp; c</desc>')
  })

  it('shows characters that mean something in XML', () => {
    expect(picture).toContain('>x &lt; y &amp; z</text>')
  })

  it('has colours for light and for dark', () => {
    expect(picture).toContain('.fill-page{fill:#ffffff}')
    expect(picture).toMatch(/@media \(prefers-color-scheme:dark\)\{.*\.fill-page\{fill:#0d1117\}/)
  })
})

describe('a scale', () => {
  it('maps equal steps to equal steps', () => {
    expect([0, 5, 10].map(linear(0, 10, 100, 200))).toEqual([100, 150, 200])
  })

  it('maps equal ratios to equal steps', () => {
    expect([1, 10, 100].map(logarithmic(1, 100, 200, 100)).map(Math.round)).toEqual([200, 150, 100])
  })

  it('keeps what lies beyond its ends on them', () => {
    expect([-1, 11].map(linear(0, 10, 100, 200))).toEqual([100, 200])
    expect([0, 1e9].map(logarithmic(1, 100, 200, 100))).toEqual([200, 100])
  })
})

describe('shapes', () => {
  it('have coordinates of one decimal place', () => {
    const points = [
      [0.123, 1],
      [2, 3.456],
    ] as const
    expect(polyline(points, { colour: 'ink' })).toBe('<path class="line-ink" d="M0.1 1L2 3.5"/>')
    expect(dot([1.04, 2], 'bad')).toContain('cx="1" cy="2"')
  })
})
