// The page on which a pile of images is looked at, named and labelled.
//
// `mount(root, payload, host)` draws it into an element; `ssl_nb label` puts this file into one HTML page, and
// `ssl_nb.Labeller` shows it in a notebook. No library, no build step, and no request to anywhere.
// Whatever comes from a user (file names, class names) reaches the page as text alone, never as HTML.
//
//   payload   what Python wrote: names, sheets of tiles, neighbours, features, groups, a map (see label_page.py)
//   Session   classes, labels and groups, with undo, saved after every action
//   Spread    the labels handed on over the graph of neighbours: a guess and a confidence for every image
//   views     Groups, Map, Queue and Check, each an object with `build`, `refresh`, `label` and `key`

// --- small helpers

const KEYS = '1234567890qwertyuiopasdfghjklzxcvbnm'
const HAND = 1,
  GROUP = 2,
  ACCEPTED = 3,
  LOADED = 4 // where a label came from
const SKIPPED = 1,
  NONE = 2,
  CHECKED = 4 // marks of an image
const COLOURS = [
  '#5b4bc4',
  '#3a9bd1',
  '#2f9e8d',
  '#1f7a3d',
  '#8a8a1f',
  '#c9a227',
  '#cc6677',
  '#9c2f63',
  '#b04fa3',
  '#7d7d7d',
]

/** An element with properties, listeners (`onclick`, ...), attributes and children; a string becomes text. */
function el(kind, properties = {}, ...children) {
  const node = document.createElement(kind)
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue
    if (name === 'class') node.className = value
    else if (name === 'text') node.textContent = value
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value)
    else node.setAttribute(name, value === true ? '' : value)
  }
  node.append(...children.filter(child => child !== null && child !== undefined))
  return node
}

function button(text, onclick, properties = {}) {
  return el('button', { type: 'button', text, onclick, ...properties })
}

/** The numbers in a base64 string, as an array of `kind`, for example Uint16Array. */
function numbers(text, kind) {
  const raw = atob(text)
  const bytes = new Uint8Array(raw.length)
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i)
  return new kind(bytes.buffer)
}

function base64(array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  let text = ''
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return btoa(text)
}

const count = (n, one, many = one + 's') => `${n.toLocaleString('en')} ${n === 1 ? one : many}`
const percent = share => `${Math.round(100 * share)} %`
const clamp = (x, low, high) => Math.max(low, Math.min(high, x))
const range = n => Array.from({ length: n }, (_, i) => i)

function colourOf(c) {
  if (c < 0) return 'var(--none)'
  return c < COLOURS.length ? COLOURS[c] : `hsl(${(c * 137.5) % 360} 55% 48%)`
}

// --- tables: file,label

const MOST_CLASSES = 1000

/** What parts the columns of a table, and the table without the line in which a spreadsheet says so. */
function partedBy(text) {
  const [head] = text.split('\n', 1)
  const said = /^"?sep=(.)"?$/.exec(head.trim())
  if (said) return [said[1], text.slice(head.length + 1)]
  const often = mark => head.split(mark).length
  return [[',', ';', '\t'].reduce((a, b) => (often(b) > often(a) ? b : a)), text]
}

/** The rows of a CSV text, each a list of cells; quotes, doubled quotes and all line ends are read. */
export function readCsv(file) {
  const [apart, text] = partedBy(file.replace(/^\ufeff/, ''))
  const rows = []
  let row = [],
    cell = '',
    quoted = false
  const endCell = () => {
    row.push(plain(cell))
    cell = ''
  }
  const endRow = () => {
    endCell()
    if (row.length > 1 || row[0] !== '') rows.push(row)
    row = []
  }
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (quoted) {
      if (c !== '"') cell += c
      else if (text[i + 1] === '"') {
        cell += '"'
        i++
      } else quoted = false
    } else if (c === '"' && cell === '') quoted = true
    else if (c === apart) endCell()
    else if (c === '\n' || c === '\r') {
      if (c === '\r' && text[i + 1] === '\n') i++
      endRow()
    } else cell += c
  }
  if (quoted) throw new Error('a quotation mark is not closed; the table is damaged')
  if (cell !== '' || row.length) endRow()
  return rows
}

/** A cell with a ' before what a spreadsheet would compute, as the program writes its tables. */
const guarded = v => (/^[=+\-@\t\r]/.test(v) && !isNumber(v) ? `'${v}` : String(v))
const isNumber = v => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(v)
/** The same cell without it. */
const plain = v => (v.startsWith("'") && guarded(v.slice(1)) === v ? v.slice(1) : v)

export function writeCsv(rows) {
  const quoted = v => (/[",\r\n]|^\s|\s$/.test(v) ? `"${v.replaceAll('"', '""')}"` : v)
  const cell = v => quoted(guarded(v))
  return rows.map(row => row.map(cell).join(',') + '\n').join('')
}

/** The text of a file: UTF-8, or UTF-16 as a spreadsheet may write it; an Error in one line when it is neither. */
export function decode(buffer) {
  const bytes = new Uint8Array(buffer)
  const [a, b] = bytes
  const wide = a === 0xff && b === 0xfe ? 'utf-16le' : a === 0xfe && b === 0xff ? 'utf-16be' : null
  try {
    return new TextDecoder(wide ?? 'utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Error('it is no text in UTF-8; save it as UTF-8')
  }
}

/** {file: label} of a table with the columns file,label; an Error in one line when it is something else. */
export function readLabels(text) {
  const [head, ...rows] = readCsv(text)
  const columns = (head || []).map(name => name.trim().toLowerCase())
  const file = columns.indexOf('file'),
    label = columns.indexOf('label')
  if (file < 0 || label < 0) throw new Error('the first line should be file,label; this is another table')
  const found = new Map()
  for (const row of rows) {
    const [name, cls] = [row[file] ?? '', (row[label] ?? '').trim()]
    if (!name || !cls) continue
    if (found.has(name) && found.get(name) !== cls) {
      throw new Error(`${name} has two labels, ${found.get(name)} and ${cls}; leave one of them`)
    }
    found.set(name, cls)
  }
  const classes = new Set(found.values()).size
  if (classes > MOST_CLASSES) {
    throw new Error(`it has ${classes.toLocaleString('en')} classes, and this page takes at most ${MOST_CLASSES}`)
  }
  return found
}

// --- what the user did

/** Classes, labels, groups and marks of all images; every change can be undone and is saved at once. */
class Session {
  constructor(payload, host) {
    this.n = payload.names.length
    this.names = payload.names
    this.host = host
    this.groupings = payload.groupings.map(g => ({ name: g.name, of: Uint16Array.from(numbers(g.of, Uint16Array)) }))
    this.classes = [...payload.classes]
    this.label = new Int16Array(this.n).fill(-1)
    this.by = new Uint8Array(this.n)
    this.mark = new Uint8Array(this.n)
    this.group = this.groupings[0].of.slice()
    this.grouping = 0
    this.past = []
    this.future = []
    this.listeners = []
    this.trouble = ''
  }

  snapshot(what = '') {
    const { classes, label, by, mark, group, grouping } = this
    const copies = [label, by, mark, group].map(a => a.slice())
    return {
      what,
      classes: [...classes],
      label: copies[0],
      by: copies[1],
      mark: copies[2],
      group: copies[3],
      grouping,
    }
  }

  restore(state) {
    for (const key of ['classes', 'label', 'by', 'mark', 'group', 'grouping']) this[key] = state[key]
  }

  /** Do `change`, which alters the session, as one action named `what`. */
  act(what, change) {
    this.past.push(this.snapshot(what))
    if (this.past.length > 200) this.past.shift()
    this.future = []
    change()
    this.changed(what)
  }

  undo() {
    if (!this.past.length) return null
    const state = this.past.pop()
    this.future.push(this.snapshot(state.what))
    this.restore(state)
    this.changed(`Undone: ${state.what}`)
    return state.what
  }

  redo() {
    if (!this.future.length) return null
    const state = this.future.pop()
    this.past.push(this.snapshot(state.what))
    this.restore(state)
    this.changed(`Done again: ${state.what}`)
    return state.what
  }

  changed(what) {
    this.save()
    for (const listen of this.listeners) listen(what)
  }

  save() {
    const { classes, grouping } = this
    const [label, by, mark, group] = ['label', 'by', 'mark', 'group'].map(key => base64(this[key]))
    this.trouble = this.host.save({ version: 1, n: this.n, classes, label, by, mark, group, grouping })
  }

  /** Take over what was saved before; whether there was anything. */
  load(saved) {
    if (!saved || saved.version !== 1 || saved.n !== this.n) return false
    this.restore({
      classes: saved.classes.map(String),
      grouping: Math.min(saved.grouping, this.groupings.length - 1),
      label: numbers(saved.label, Int16Array),
      by: numbers(saved.by, Uint8Array),
      mark: numbers(saved.mark, Uint8Array),
      group: numbers(saved.group, Uint16Array),
    })
    return true
  }

  /** The number of a class; a new name is a new class. */
  classNumber(name) {
    name = name.trim()
    const there = this.classes.indexOf(name)
    if (there >= 0) return there
    this.classes.push(name)
    return this.classes.length - 1
  }

  set(i, c, by) {
    this.label[i] = c
    this.by[i] = c < 0 ? 0 : by
    this.mark[i] &= ~(SKIPPED | NONE | CHECKED)
  }

  members(g) {
    const found = []
    for (let i = 0; i < this.n; i++) if (this.group[i] === g) found.push(i)
    return found
  }

  /** {group: its images} */
  allMembers() {
    const found = new Map()
    for (let i = 0; i < this.n; i++) {
      if (!found.has(this.group[i])) found.set(this.group[i], [])
      found.get(this.group[i]).push(i)
    }
    return found
  }

  /** The members that naming a group labels: not those that were labelled one by one or belong nowhere. */
  free(images) {
    return images.filter(i => !(this.mark[i] & NONE) && this.by[i] !== HAND && this.by[i] !== LOADED)
  }

  nameGroup(g, c) {
    for (const i of this.free(this.members(g))) this.set(i, c, GROUP)
  }

  labelled() {
    let found = 0
    for (let i = 0; i < this.n; i++) found += this.label[i] >= 0
    return found
  }
}

// --- labels handed on to neighbours

/** A guess, a confidence and the vote of the neighbours for every image, from the labels there are. */
class Spread {
  constructor(payload, session) {
    this.session = session
    this.n = session.n
    this.k = payload.k
    this.near = numbers(payload.near, payload.wide ? Uint32Array : Uint16Array)
    this.similar = Float32Array.from(numbers(payload.similar, Uint16Array), v => (v / 65535) * 2 - 1)
    this.tie()
    this.guess = new Int16Array(this.n).fill(-1)
    this.sure = new Float32Array(this.n)
    this.margin = new Float32Array(this.n)
    this.vote = new Int16Array(this.n).fill(-1)
    this.voted = new Float32Array(this.n)
    this.dense = range(this.n).map(i => this.meanSimilarity(i))
    this.classes = 0
    this.run = 0
  }

  meanSimilarity(i) {
    let sum = 0
    for (let j = i * this.k; j < (i + 1) * this.k; j++) sum += this.similar[j]
    return this.k ? sum / this.k : 0
  }

  /** The symmetric graph in rows: start[i]..start[i+1] are the ties of image i, scaled by both degrees. */
  tie(temperature = 0.05) {
    const { n, k, near, similar } = this
    const ties = range(n).map(() => new Map())
    for (let i = 0; i < n; i++) {
      for (let m = i * k; m < (i + 1) * k; m++) {
        const j = near[m],
          w = Math.exp((similar[m] - 1) / temperature)
        ties[i].set(j, Math.max(w, ties[i].get(j) ?? 0))
        ties[j].set(i, Math.max(w, ties[j].get(i) ?? 0))
      }
    }
    const degree = ties.map(row => Math.sqrt([...row.values()].reduce((a, b) => a + b, 0)) || 1)
    this.start = new Uint32Array(n + 1)
    ties.forEach((row, i) => {
      this.start[i + 1] = this.start[i] + row.size
    })
    this.to = new Uint32Array(this.start[n])
    this.weight = new Float32Array(this.start[n])
    let at = 0
    ties.forEach((row, i) => {
      for (const [j, w] of row) {
        this.to[at] = j
        this.weight[at++] = w / (degree[i] * degree[j])
      }
    })
  }

  /** How much each label counts: that of an image more than that of its group; an accepted guess not at all. */
  seeds() {
    const { label, by, classes } = this.session
    const seed = new Float32Array(this.n * classes.length)
    const worth = { [HAND]: 1, [LOADED]: 1, [GROUP]: 0.2, [ACCEPTED]: 0 }
    for (let i = 0; i < this.n; i++) if (label[i] >= 0) seed[i * classes.length + label[i]] = worth[by[i]] ?? 1
    return seed
  }

  /** Hand the labels on until little changes; pauses every few milliseconds, and stops when a newer run began. */
  async update(alpha = 0.98, rounds = 60) {
    const run = ++this.run,
      K = this.session.classes.length
    if (K < 2) {
      this.nothing()
      return true
    } // one class alone says nothing of what lacks it
    const seed = this.seeds()
    if (this.classes !== K) {
      this.F = seed.slice()
      this.classes = K
    }
    let F = this.F.length === seed.length ? this.F : seed.slice(),
      G = new Float32Array(F.length)
    let since = performance.now()
    for (let round = 0; round < rounds; round++) {
      const moved = this.step(F, G, seed, alpha, K)
      ;[F, G] = [G, F]
      if (performance.now() - since > 14) {
        await new Promise(done => setTimeout(done))
        if (run !== this.run) return false
        since = performance.now()
      }
      if (moved < 1e-4) break
    }
    this.F = F
    this.read(F, K)
    return true
  }

  nothing() {
    this.guess.fill(-1)
    this.vote.fill(-1)
    this.sure.fill(0)
    this.margin.fill(0)
    this.classes = 0
  }

  step(F, G, seed, alpha, K) {
    const { start, to, weight, n } = this
    let moved = 0,
      size = 1e-12
    for (let i = 0; i < n; i++) {
      const a = i * K
      for (let c = 0; c < K; c++) G[a + c] = (1 - alpha) * seed[a + c]
      for (let e = start[i]; e < start[i + 1]; e++) {
        const w = alpha * weight[e],
          b = to[e] * K
        for (let c = 0; c < K; c++) G[a + c] += w * F[b + c]
      }
      for (let c = 0; c < K; c++) {
        moved += Math.abs(G[a + c] - F[a + c])
        size += G[a + c]
      }
    }
    return moved / size
  }

  /** Guesses and votes from what was handed on. */
  read(F, K) {
    const { n, start, to, weight } = this,
      { label, by } = this.session
    const P = new Float32Array(n * K)
    for (let i = 0; i < n; i++) this.best(F, i, K, P)
    const belief = new Float32Array(K)
    for (let i = 0; i < n; i++) {
      belief.fill(0)
      for (let e = start[i]; e < start[i + 1]; e++) {
        const j = to[e],
          own = label[j] < 0 || by[j] === ACCEPTED ? 0 : by[j] === GROUP ? 0.5 : 1
        if (own) belief[label[j]] += weight[e] * own
        for (let c = 0; c < K; c++) belief[c] += weight[e] * (1 - own) * P[j * K + c]
      }
      let top = 0,
        sum = 0
      for (let c = 0; c < K; c++) {
        sum += belief[c]
        if (belief[c] > belief[top]) top = c
      }
      this.vote[i] = sum > 0 ? top : -1
      this.voted[i] = sum > 0 ? belief[top] / sum : 0
    }
    this.P = P
  }

  best(F, i, K, P) {
    let sum = 0,
      first = -1,
      one = 0,
      two = 0
    for (let c = 0; c < K; c++) {
      const v = F[i * K + c]
      sum += v
      if (v > one) {
        two = one
        one = v
        first = c
      } else if (v > two) two = v
    }
    for (let c = 0; c < K; c++) P[i * K + c] = sum > 1e-12 ? F[i * K + c] / sum : 1 / K
    this.guess[i] = sum > 1e-12 ? first : -1
    this.sure[i] = sum > 1e-12 ? one / sum : 0
    this.margin[i] = sum > 1e-12 ? (one - two) / sum : 0
  }

  /** The classes of an image by what was handed on, the likeliest first. */
  ranking(i) {
    const K = this.classes
    if (!K || !this.P) return []
    const all = range(K).map(c => [c, this.P[i * K + c]])
    return all.sort((a, b) => b[1] - a[1])
  }

  /** How much a label of this image is worth: its own doubt and that of its neighbours. */
  doubt(i) {
    const { label, by } = this.session
    const wrong = label[i] >= 0 && by[i] !== HAND && this.guess[i] >= 0 && this.guess[i] !== label[i]
    return wrong ? 1 : 1 - this.margin[i]
  }
}

/** Images to label next, the best first: typical ones of groups without a label, then the least certain. */
function nextImages(session, spread, many) {
  const { label, mark, by, n } = session
  const open = i => !(mark[i] & (SKIPPED | NONE | CHECKED)) && by[i] !== HAND && by[i] !== LOADED
  const typical = []
  for (const images of session.allMembers().values()) {
    if (images.some(i => label[i] >= 0)) continue
    const best = images.filter(open).sort((a, b) => spread.dense[b] - spread.dense[a])[0]
    if (best !== undefined) typical.push([images.length, best])
  }
  const found = typical
    .sort((a, b) => b[0] - a[0])
    .map(pair => pair[1])
    .slice(0, many)
  const doubt = Float32Array.from(range(n), i => (open(i) ? spread.doubt(i) : 0))
  const left = range(n).filter(i => open(i) && doubt[i] > 0.05)
  const worth = i => {
    let around = 0
    for (let e = spread.start[i]; e < spread.start[i + 1]; e++) around += spread.weight[e] * doubt[spread.to[e]]
    return doubt[i] * (0.3 + around)
  }
  const ordered = left.map(i => [worth(i), i]).sort((a, b) => b[0] - a[0])
  const taken = new Set(found)
  for (const [, i] of ordered) {
    if (found.length >= many) break
    if (taken.has(i)) continue
    found.push(i)
    taken.add(i)
    for (let e = spread.start[i]; e < spread.start[i + 1]; e++) taken.add(spread.to[e])
  }
  return found
}

/** About how many more labels pay: each settles an uncertain image and the uncertain ones beside it. */
function labelsLeft(session, spread) {
  const { label, mark, by, n } = session
  const unsure = new Uint8Array(n)
  let left = 0
  for (let i = 0; i < n; i++) {
    const settled = by[i] === HAND || by[i] === LOADED || mark[i] & (NONE | CHECKED)
    if (!settled && (label[i] < 0 ? spread.margin[i] < 0.5 : spread.doubt(i) >= 1)) {
      unsure[i] = 1
      left++
    }
  }
  let picks = 0
  const order = range(n).filter(i => unsure[i])
  const size = i => {
    let s = 1
    for (let e = spread.start[i]; e < spread.start[i + 1]; e++) s += unsure[spread.to[e]]
    return s
  }
  for (const i of order.sort((a, b) => size(b) - size(a))) {
    if (!unsure[i]) continue
    picks++
    unsure[i] = 0
    for (let e = spread.start[i]; e < spread.start[i + 1]; e++) unsure[spread.to[e]] = 0
  }
  const silent = [...session.allMembers().values()].filter(
    images => !images.some(i => label[i] >= 0 || mark[i] & NONE),
  ).length
  return { picks: Math.max(picks, silent), unsure: left, silent }
}

// --- features: centres and halves of groups

class Features {
  constructor(payload) {
    this.d = payload.dim
    this.z = numbers(payload.z, Int8Array)
  }

  centre(images) {
    const { d, z } = this,
      mean = new Float32Array(d)
    for (const i of images) for (let a = 0; a < d; a++) mean[a] += z[i * d + a]
    const length = Math.hypot(...mean) || 1
    return mean.map(v => v / length)
  }

  closeness(i, centre) {
    let dot = 0,
      size = 0
    for (let a = 0; a < this.d; a++) {
      const v = this.z[i * this.d + a]
      dot += v * centre[a]
      size += v * v
    }
    return size ? dot / Math.sqrt(size) : 0
  }

  /** The most central first. */
  ordered(images) {
    const centre = this.centre(images)
    return images
      .map(i => [this.closeness(i, centre), i])
      .sort((a, b) => b[0] - a[0])
      .map(pair => pair[1])
  }

  /** Which half each image belongs to: two means, which begin on both sides of the longest direction. */
  halves(images) {
    const { d, z } = this
    const mean = new Float32Array(d)
    for (const i of images) for (let a = 0; a < d; a++) mean[a] += z[i * d + a] / images.length
    let way = Float32Array.from(range(d), a => 1 + (a % 3))
    for (let round = 0; round < 12; round++) {
      const next = new Float32Array(d)
      for (const i of images) {
        let dot = 0
        for (let a = 0; a < d; a++) dot += (z[i * d + a] - mean[a]) * way[a]
        for (let a = 0; a < d; a++) next[a] += dot * (z[i * d + a] - mean[a])
      }
      const length = Math.hypot(...next) || 1
      way = next.map(v => v / length)
    }
    let side = images.map(i => {
      let dot = 0
      for (let a = 0; a < d; a++) dot += (z[i * d + a] - mean[a]) * way[a]
      return dot > 0
    })
    for (let round = 0; round < 8; round++) {
      const [left, right] = [false, true].map(s => images.filter((_, j) => side[j] === s))
      if (!left.length || !right.length) break
      const [a, b] = [this.centre(left), this.centre(right)]
      side = images.map(i => this.closeness(i, b) > this.closeness(i, a))
    }
    return side
  }
}

/** Whether a group looks like two: few of its ties go from one half to the other. */
function looksLikeTwo(images, features, spread) {
  if (images.length < 8) return false
  const side = features.halves(images),
    of = new Map(images.map((i, j) => [i, side[j]]))
  const share = side.filter(Boolean).length / side.length
  if (share < 0.2 || share > 0.8) return false
  let across = 0,
    all = 0
  for (const i of images) {
    for (let m = i * spread.k; m < (i + 1) * spread.k; m++) {
      const other = of.get(spread.near[m])
      if (other === undefined) continue
      all++
      across += other !== of.get(i)
    }
  }
  return all > images.length && across / all < 0.22 * 2 * share * (1 - share)
}

// --- pictures

/** Tiles cut from a few large sheets, as buttons or drawn on a canvas. */
class Pictures {
  constructor(payload, root) {
    const { sheets, columns, tile, perSheet, mime } = payload
    Object.assign(this, { columns, tile, perSheet, sheets: [] })
    this.images = sheets.map((text, s) => {
      const url = URL.createObjectURL(new Blob([numbers(text, Uint8Array)], { type: mime }))
      root.style.setProperty(`--sheet-${s}`, `url("${url}")`)
      this.sheets.push(url)
      const image = new Image()
      image.src = url
      return image
    })
    this.ready = Promise.allSettled(this.images.map(image => image.decode()))
  }

  place(i) {
    const j = i % this.perSheet
    return [Math.floor(i / this.perSheet), j % this.columns, Math.floor(j / this.columns)]
  }

  /** A span that shows image i; its size is set by the style sheet in --size. */
  picture(i) {
    const [sheet, x, y] = this.place(i)
    const span = el('span', { class: this.tile <= 48 ? 'picture sharp' : 'picture' })
    span.style.backgroundImage = `var(--sheet-${sheet})`
    span.style.setProperty('--x', x)
    span.style.setProperty('--y', y)
    span.style.setProperty('--columns', this.columns)
    return span
  }

  draw(context, i, x, y, size) {
    const [sheet, column, row] = this.place(i)
    const t = this.tile
    context.drawImage(this.images[sheet], column * t, row * t, t, t, x, y, size, size)
  }

  close() {
    for (const url of this.sheets) URL.revokeObjectURL(url)
  }
}

// --- the page

class App {
  static made = 0

  constructor(root, payload, host) {
    this.root = root
    this.payload = payload
    this.host = host
    this.number = App.made++
    root.classList.add('ssl-nb-label')
    this.session = new Session(payload, host)
    this.back = this.session.load(host.load())
    this.spread = new Spread(payload, this.session)
    this.features = new Features(payload)
    this.pictures = new Pictures(payload, root)
    this.selected = new Set()
    this.views = {
      groups: new GroupsView(this),
      map: new MapView(this),
      queue: new QueueView(this),
      check: new CheckView(this),
    }
    this.shell()
    this.session.listeners.push(what => this.onChange(what))
    this.show('groups')
    this.refresh()
    this.respread()
    if (this.back) this.say(`Welcome back: ${count(this.session.labelled(), 'label')} of yours found again.`)
    this.warnOfTrouble()
  }

  // the parts that are always there

  shell() {
    const { payload } = this
    const tab = (id, text, hint) =>
      button('', () => this.show(id), {
        class: 'tab',
        role: 'tab',
        id: this.id(`tab-${id}`),
        'aria-controls': this.id('panel'),
        'data-view': id,
        title: `${hint} (Shift+${text[0]})`,
      })
    this.tabs = el(
      'div',
      { class: 'tabs', role: 'tablist', 'aria-label': 'Views' },
      ...[
        ['groups', 'Groups', 'Name groups of like images'],
        ['map', 'Map', 'All images in two dimensions'],
        ['queue', 'Queue', 'What to label next'],
        ['check', 'Check', 'What may be wrong'],
      ].map(([id, text, hint]) => {
        const node = tab(id, text, hint)
        node.append(el('span', { text }), el('span', { class: 'badge', hidden: true }))
        return node
      }),
    )
    this.undoButton = button('Undo', () => this.undo(), { class: 'quiet', title: 'Ctrl+Z' })
    this.redoButton = button('Redo', () => this.redo(), { class: 'quiet', title: 'Ctrl+Shift+Z' })
    this.progress = el('div', { class: 'progress' })
    this.bar = el('div', {
      class: 'bar',
      role: 'progressbar',
      'aria-label': 'Labelled images',
      'aria-valuemin': 0,
      'aria-valuemax': 100,
    })
    const head = el(
      'header',
      { class: 'head' },
      el('div', { class: 'brand' }, el('h1', { text: payload.title }), this.progress),
      this.tabs,
      el(
        'div',
        { class: 'tools' },
        this.undoButton,
        this.redoButton,
        button('?', () => this.help(), {
          class: 'quiet round',
          'aria-label': 'Help and keys',
          title: 'Help and keys (?)',
        }),
        button('Load', () => this.pick(), { class: 'quiet', title: 'Load a labels.csv' }),
        button('Export', () => this.exportDialog(), { class: 'primary' }),
      ),
      this.bar,
    )
    this.banner = el('div', { class: 'banner', role: 'alert', hidden: true })
    this.classList = el('div', { class: 'classes', role: 'group', 'aria-label': 'Classes' })
    this.panel = el('main', { class: 'panel', role: 'tabpanel', id: this.id('panel'), tabindex: -1 })
    this.status = el('div', { class: 'status', role: 'status', 'aria-live': 'polite' })
    this.foot = el(
      'footer',
      { class: 'foot' },
      el('p', { text: this.provenance() }),
      el('p', {
        text:
          `${this.host.holds} all ${count(payload.names.length, 'picture')}: whoever you send it to can see them. ` +
          this.host.keeps,
      }),
    )
    this.root.replaceChildren(head, this.banner, this.classList, this.panel, this.foot, this.status)
    this.datalist = el('datalist', { id: this.id('names') })
    this.root.append(this.datalist)
    this.onKey = event => this.key(event)
    this.host.keys.addEventListener('keydown', this.onKey)
    this.root.addEventListener('pointerdown', event => this.dragStart(event))
  }

  /** An id of this page's own: a notebook may show many. */
  id(name) {
    return `ssl-nb-${this.number}-${name}`
  }

  provenance() {
    const { payload } = this
    const drawn =
      payload.of > payload.names.length
        ? `${count(payload.names.length, 'image')} drawn at random of ${payload.of.toLocaleString('en')}; ` +
          'the others are not on this page. '
        : ''
    return drawn + payload.about
  }

  show(id) {
    const was = this.view
    this.status.classList.remove('shown')
    this.view = this.views[id]
    if (was && was !== this.view && was.leave) was.leave()
    this.selected.clear()
    for (const node of this.tabs.children) {
      const on = node.dataset.view === id
      node.setAttribute('aria-selected', on)
      node.tabIndex = on ? 0 : -1
    }
    this.panel.setAttribute('aria-labelledby', this.id(`tab-${id}`))
    this.panel.dataset.view = id
    this.view.build(this.panel)
    this.view.refresh()
    this.paint()
    if (was) this.host.top(this.root)
  }

  onChange(what) {
    this.selected.clear()
    this.say(what)
    this.warnOfTrouble()
    this.refresh()
    this.respread()
  }

  /** Hand labels on, and show what came of it. */
  async respread() {
    if (await this.spread.update()) this.refresh(true)
  }

  refresh(spread = false) {
    const { session } = this
    const done = session.labelled()
    this.progress.textContent = `${done.toLocaleString('en')} of ${count(session.n, 'image')} labelled`
    this.bar.style.setProperty('--done', done / Math.max(1, session.n))
    this.bar.setAttribute('aria-valuenow', Math.round((100 * done) / Math.max(1, session.n)))
    this.undoButton.disabled = !session.past.length
    this.redoButton.disabled = !session.future.length
    this.undoButton.setAttribute('aria-label', session.past.length ? `Undo: ${session.past.at(-1).what}` : 'Undo')
    this.showClasses()
    if (spread) this.badges()
    this.view.refresh(spread)
    this.paint()
  }

  badges() {
    const badge = (id, n) => {
      const node = this.tabs.querySelector(`[data-view=${id}] .badge`)
      node.hidden = !n
      node.textContent = n > 999 ? '999+' : n
    }
    badge('check', suspects(this.session, this.spread).length)
  }

  /** What the tiles on the page say of their images. */
  paint() {
    const { session, spread } = this
    for (const node of this.root.querySelectorAll('.tile[data-i]')) {
      const i = +node.dataset.i,
        c = session.label[i]
      const none = session.mark[i] & NONE
      const guess = c < 0 && !none && spread.guess[i] >= 0 && spread.sure[i] >= 0.5
      const on = this.selected.has(i)
      const name = none
        ? 'none'
        : c >= 0
          ? session.classes[c]
          : guess
            ? `${session.classes[spread.guess[i]] ?? ''}?`
            : ''
      node.classList.toggle('selected', on)
      node.classList.toggle('labelled', c >= 0)
      node.classList.toggle('none', !!none)
      node.setAttribute('aria-pressed', on)
      node.lastChild.textContent = name
      node.style.setProperty('--colour', c >= 0 ? colourOf(c) : guess ? colourOf(spread.guess[i]) : 'var(--none)')
      const says = none
        ? 'belongs to none'
        : c >= 0
          ? `labelled ${session.classes[c]}`
          : guess
            ? `perhaps ${name.slice(0, -1)}`
            : 'no label'
      node.setAttribute('aria-label', `${session.names[i]}, ${says}`)
      node.title = `${session.names[i]}\n${says}`
    }
    for (const node of this.root.querySelectorAll('.selection')) {
      const many = this.selected.size
      node.hidden = !many
      node.textContent = many ? `${count(many, 'image')} selected: press a class key, or click a class above` : ''
    }
  }

  tile(i, size) {
    const node = el(
      'button',
      { type: 'button', class: 'tile', 'data-i': i, tabindex: -1, onclick: event => this.clickTile(i, event) },
      this.pictures.picture(i),
      el('span', { class: 'chip' }),
    )
    if (size) node.style.setProperty('--size', `${size}px`)
    return node
  }

  clickTile(i, event) {
    if (this.dragged) return
    if (event.shiftKey && this.lastTile !== undefined) this.selectRange(event.currentTarget)
    else if (this.selected.has(i)) this.selected.delete(i)
    else this.selected.add(i)
    this.lastTile = event.currentTarget
    this.view.onSelect?.(event.currentTarget)
    this.paint()
  }

  selectRange(node) {
    const all = [...this.panel.querySelectorAll('.tile[data-i]')]
    const [a, b] = [all.indexOf(this.lastTile), all.indexOf(node)].sort((x, y) => x - y)
    if (a < 0) return
    for (const one of all.slice(a, b + 1)) this.selected.add(+one.dataset.i)
  }

  /** Drawing over tiles with the mouse selects them all. */
  dragStart(event) {
    this.dragged = false
    const first = event.target.closest?.('.tile[data-i]')
    if (!first || event.pointerType !== 'mouse' || event.button || this.view === this.views.map) return
    const adding = !this.selected.has(+first.dataset.i)
    const over = e => {
      const node = document.elementFromPoint(e.clientX, e.clientY)?.closest('.tile[data-i]')
      if (!node || (node === first && !this.dragged)) return
      this.dragged = true
      for (const one of [first, node]) this.selected[adding ? 'add' : 'delete'](+one.dataset.i)
      this.view.onSelect?.(first)
      this.paint()
    }
    const end = () => {
      removeEventListener('pointermove', over)
      removeEventListener('pointerup', end)
    }
    addEventListener('pointermove', over)
    addEventListener('pointerup', end)
  }

  // classes

  showClasses() {
    const { session } = this
    const counts = new Array(session.classes.length).fill(0)
    for (const c of session.label) if (c >= 0) counts[c]++
    const active = document.activeElement?.closest?.('.newclass') ? this.newInput?.value : null
    const chips = session.classes.map((name, c) => {
      const chip = el(
        'button',
        { type: 'button', class: 'class', title: `Label with ${name}`, 'data-class': c, onclick: () => this.give(c) },
        el('kbd', { text: (KEYS[c] ?? '').toUpperCase() }),
        el('span', { class: 'name', text: name }),
        el('span', { class: 'count', text: counts[c] }),
      )
      chip.style.setProperty('--colour', colourOf(c))
      const more = button('⋯', () => this.classDialog(c), {
        class: 'more',
        'aria-label': `Rename or remove ${name}`,
        title: 'Rename or remove',
      })
      return el('span', { class: 'pair' }, chip, more)
    })
    this.newInput = el('input', {
      type: 'text',
      placeholder: session.classes.length ? 'New class' : 'Name a first class',
      'aria-label': 'New class',
      maxlength: 80,
      enterkeyhint: 'done',
      onkeydown: event => {
        if (event.key !== 'Enter') return
        event.preventDefault()
        event.stopPropagation()
        this.newClass(this.newInput.value)
      },
    })
    if (active !== null) this.newInput.value = active
    this.classList.replaceChildren(...chips, el('span', { class: 'newclass' }, this.newInput))
    if (active !== null) this.newInput.focus()
    this.datalist.replaceChildren(...session.classes.map(name => el('option', { value: name })))
  }

  /** A new class, which what is in question gets at once. */
  newClass(name) {
    name = name.trim()
    if (!name) return
    this.newInput.value = ''
    this.newInput.blur()
    const target = this.target()
    if (target) this.giveName(name, target)
    else this.session.act(`New class ${name}`, () => this.session.classNumber(name))
  }

  /** What a class key labels: the selected images, or what the view asks about. */
  target() {
    if (this.selected.size) return { images: [...this.selected], what: count(this.selected.size, 'image') }
    return this.view.target?.() ?? null
  }

  give(c) {
    const target = this.target()
    if (!target) return this.say('Nothing is selected: click images first.')
    this.giveName(this.session.classes[c], target)
  }

  giveName(name, target) {
    const { session } = this
    this.view.before?.(target)
    session.act(`${target.what}: ${name}`, () => {
      const c = session.classNumber(name)
      if (target.group !== undefined) session.nameGroup(target.group, c)
      else for (const i of target.images) session.set(i, c, HAND)
    })
    this.view.after?.(target)
  }

  /** Take a label away, or say that an image belongs to no class. */
  giveNone() {
    const target = this.target()
    if (!target) return
    const { session } = this
    const images = target.images ?? session.free(session.members(target.group))
    this.view.before?.(target)
    session.act(`${target.what}: none of these`, () => {
      for (const i of images) {
        session.set(i, -1, 0)
        session.mark[i] |= NONE
      }
    })
    this.view.after?.(target)
  }

  undo() {
    if (this.session.undo() === null) this.say('There is nothing to undo.')
  }

  redo() {
    if (this.session.redo() === null) this.say('There is nothing to redo.')
  }

  // keys

  key(event) {
    if (event.defaultPrevented || event.altKey) return
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target.type !== 'range'
    if (this.dialogOpen) return
    const key = event.key
    if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === 'z' && !typing) {
      event.preventDefault()
      return event.shiftKey ? this.redo() : this.undo()
    }
    if (event.ctrlKey || event.metaKey) return
    if (typing) {
      if (key === 'Escape') event.target.blur()
      return
    }
    if (this.plainKey(key, event)) event.preventDefault()
  }

  plainKey(key, event) {
    const view = { G: 'groups', M: 'map', Q: 'queue', C: 'check' }[key]
    if (event.shiftKey && view) {
      this.show(view)
      return true
    }
    if (key === '?') {
      this.help()
      return true
    }
    if (key === 'Backspace') {
      this.undo()
      return true
    }
    if (key === 'Delete') {
      this.giveNone()
      return true
    }
    if (key === 'Escape') {
      this.selected.clear()
      this.paint()
      this.view.onSelect?.(null)
      return true
    }
    if (event.target.getAttribute('role') === 'tab' && /^Arrow(Left|Right)$/.test(key)) return this.nextTab(key)
    const onTile = event.target.closest?.('.tile[data-i]')
    if (onTile && key === ' ') return false // a click
    if (event.target.tagName === 'BUTTON' && !onTile && (key === ' ' || key === 'Enter')) return false
    if (this.view.key?.(key, event)) return true
    const c = KEYS.indexOf(key)
    if (c >= 0 && c < this.session.classes.length) {
      this.give(c)
      return true
    }
    if (c >= 0 && /\d/.test(key)) {
      this.say('No class has this key yet: press Enter and type a name.')
      return true
    }
    if (key === 'Enter') {
      this.newInput.focus()
      return true
    }
    return false
  }

  nextTab(key) {
    const all = [...this.tabs.children]
    const at = all.findIndex(node => node.getAttribute('aria-selected') === 'true')
    const node = all.at((at + (key === 'ArrowRight' ? 1 : -1)) % all.length)
    this.show(node.dataset.view)
    node.focus()
    return true
  }

  // saying, saving, loading

  say(text) {
    this.status.textContent = text
    this.status.classList.add('shown')
    clearTimeout(this.hush)
    this.hush = setTimeout(() => this.status.classList.remove('shown'), 3500)
  }

  warnOfTrouble() {
    const { trouble } = this.session
    this.banner.hidden = !trouble
    if (!trouble) return
    this.banner.replaceChildren(
      el('span', { text: `${trouble} Your labels live only as long as this window: save them as a file. ` }),
      button('Save labels.csv', () => this.download('labels.csv', this.csv())),
    )
  }

  csv() {
    const { session } = this
    const rows = range(session.n)
      .filter(i => session.label[i] >= 0)
      .map(i => [session.names[i], session.classes[session.label[i]]])
    return writeCsv([['file', 'label'], ...rows])
  }

  /** Labels and guesses: where each came from, and how sure it is. */
  csvWithGuesses(least) {
    const { session, spread } = this
    const origin = ['', 'you', 'you, by group', 'accepted guess', 'loaded']
    const rows = []
    for (let i = 0; i < session.n; i++) {
      const c = session.label[i]
      if (c >= 0) rows.push([session.names[i], session.classes[c], '1', origin[session.by[i]]])
      else if (isGuess(session, spread, i, least)) {
        rows.push([session.names[i], session.classes[spread.guess[i]], spread.sure[i].toFixed(3), 'guess'])
      }
    }
    return writeCsv([['file', 'label', 'confidence', 'by'], ...rows])
  }

  download(name, text) {
    const url = URL.createObjectURL(new Blob([text], { type: 'text/csv' }))
    const link = el('a', { href: url, download: name })
    this.root.append(link)
    link.click()
    link.remove()
    setTimeout(() => URL.revokeObjectURL(url), 60_000)
    this.say(`${name} saved.`)
  }

  pick() {
    const input = el('input', {
      type: 'file',
      accept: '.csv,text/csv',
      class: 'file',
      onchange: async () => {
        const file = input.files[0]
        if (file) this.take(await file.arrayBuffer(), file.name)
        input.remove()
      },
    })
    this.root.append(input)
    input.click()
  }

  /** Labels of a table: new ones are taken, and where it says something else than here, the user is asked. */
  take(content, file) {
    const { session } = this
    let theirs
    try {
      theirs = readLabels(typeof content === 'string' ? content : decode(content))
    } catch (error) {
      return this.tell(`${file} was not loaded`, `${error.message}. Nothing was changed.`)
    }
    const place = new Map(session.names.map((name, i) => [name, i]))
    const find = name => place.get(name) ?? place.get(name.replaceAll('\\', '/').replace(/^(\.\/)+/, ''))
    const known = [...theirs].filter(([name]) => find(name) !== undefined).map(([name, cls]) => [find(name), cls])
    const lost = [...theirs.keys()].filter(name => find(name) === undefined)
    if (!known.length) {
      const example = lost.length ? ` It names for example ${lost[0]}; here is for example ${session.names[0]}.` : ''
      return this.tell(
        `${file} was not loaded`,
        `None of its ${count(theirs.size, 'row')} names an image of this page.${example} Nothing was changed.`,
      )
    }
    const differ = known.filter(([i, cls]) => session.label[i] >= 0 && session.classes[session.label[i]] !== cls)
    const fresh = known.filter(([i]) => session.label[i] < 0)
    const same = known.length - fresh.length - differ.length
    const notes = [`${count(fresh.length, 'new label')}, ${same} the same as here, ${differ.length} different.`]
    if (lost.length) {
      const some = `${lost.slice(0, 3).join(', ')}${lost.length > 3 ? ', …' : ''}`
      notes.push(`${count(lost.length, 'row')} named files that are not on this page and were left out: ${some}.`)
    }
    if (differ.length) return this.mergeDialog(file, fresh, differ, notes)
    if (fresh.length)
      session.act(`Loaded ${file}`, () =>
        fresh.forEach(([i, cls]) => session.set(i, session.classNumber(cls), LOADED)),
      )
    this.tell(`${file} was loaded`, ...notes)
  }

  // dialogs

  dialog(title, body, buttons) {
    const before = document.activeElement
    const node = el(
      'dialog',
      { class: 'dialog', 'aria-label': title },
      el('h2', { text: title }),
      ...body,
      el('div', { class: 'buttons' }, ...buttons),
    )
    const close = () => {
      node.close()
    }
    node.addEventListener('close', () => {
      this.dialogOpen = false
      node.remove()
      before?.focus?.()
    })
    node.addEventListener('click', event => {
      if (event.target === node) close()
    })
    node.closeIt = close
    this.root.append(node)
    this.dialogOpen = true
    node.showModal()
    return node
  }

  tell(title, ...lines) {
    const node = this.dialog(
      title,
      lines.map(text => el('p', { text })),
      [button('Close', () => node.closeIt(), { class: 'primary', autofocus: true })],
    )
  }

  exportDialog() {
    const { session, spread } = this
    const mine = session.labelled()
    const least = el('input', {
      type: 'range',
      min: 50,
      max: 99,
      value: 90,
      'aria-label': 'Least confidence of a guess, in per cent',
    })
    const says = el('p', { class: 'soft' })
    const tell = () => {
      const n = range(session.n).filter(i => isGuess(session, spread, i, least.value / 100)).length
      says.textContent = `Adds ${count(n, 'guess', 'guesses')} of ${least.value} % or more, each marked as a guess.`
    }
    least.addEventListener('input', tell)
    tell()
    const node = this.dialog(
      'Export',
      [
        el(
          'section',
          {},
          el('h3', { text: 'What you labelled' }),
          el('p', {
            class: 'soft',
            text: `${count(mine, 'row')}: file,label. Every command takes it: --labels labels.csv.`,
          }),
          button(
            'labels.csv',
            () => {
              this.download('labels.csv', this.csv())
              node.closeIt()
            },
            { class: 'primary', autofocus: true },
          ),
        ),
        el(
          'section',
          {},
          el('h3', { text: 'With guesses' }),
          says,
          el('label', { class: 'slide' }, least),
          button('labels-with-guesses.csv', () => {
            this.download('labels-with-guesses.csv', this.csvWithGuesses(least.value / 100))
            node.closeIt()
          }),
        ),
        el('p', {
          class: 'soft',
          text: `Neither file holds pictures. This page does: all ${session.n.toLocaleString('en')} of them.`,
        }),
      ],
      [button('Close', () => node.closeIt(), { class: 'quiet' })],
    )
  }

  classDialog(c) {
    const { session } = this
    const name = session.classes[c]
    const input = el('input', { type: 'text', value: name, 'aria-label': 'Name', maxlength: 80 })
    const rename = () => {
      const to = input.value.trim()
      node.closeIt()
      if (to && to !== name) this.rename(c, to)
    }
    input.addEventListener('keydown', event => {
      if (event.key === 'Enter') {
        event.preventDefault()
        rename()
      }
    })
    const node = this.dialog(
      `The class ${name}`,
      [input, el('p', { class: 'soft', text: 'The name of another class joins the two.' })],
      [
        button(
          'Remove it and its labels',
          () => {
            node.closeIt()
            this.removeClass(c)
          },
          { class: 'danger' },
        ),
        button('Cancel', () => node.closeIt(), { class: 'quiet' }),
        button('Rename', rename, { class: 'primary' }),
      ],
    )
    input.select()
  }

  rename(c, to) {
    const { session } = this
    const other = session.classes.indexOf(to)
    session.act(`${session.classes[c]} is now ${to}`, () => {
      if (other < 0) session.classes[c] = to
      else this.dropClass(c, other)
    })
  }

  removeClass(c) {
    this.session.act(`Removed ${this.session.classes[c]}`, () => this.dropClass(c, -1))
  }

  /** Class c goes; its labels become those of another one, or none. */
  dropClass(c, other) {
    const { session } = this
    for (let i = 0; i < session.n; i++) {
      if (session.label[i] === c) {
        session.label[i] = other
        if (other < 0) session.by[i] = 0
      }
      if (session.label[i] > c) session.label[i]--
    }
    session.classes.splice(c, 1)
    this.spread.classes = -1
  }

  mergeDialog(file, fresh, differ, notes) {
    const { session } = this
    const take = new Set()
    const rows = differ.map(([i, cls]) => {
      const pair = [
        ['mine', session.classes[session.label[i]]],
        ['theirs', cls],
      ].map(([who, text]) =>
        el(
          'label',
          {},
          el('input', {
            type: 'radio',
            name: `merge-${i}`,
            value: who,
            checked: who === 'mine',
            onchange: () => take[who === 'theirs' ? 'add' : 'delete'](i),
          }),
          `${who === 'mine' ? 'here' : 'file'}: ${text}`,
        ),
      )
      const picture = el('span', { class: 'tile' }, this.pictures.picture(i), el('span', { class: 'chip' }))
      return el(
        'div',
        { class: 'differ' },
        picture,
        el('div', {}, el('div', { class: 'file-name', text: session.names[i] }), ...pair),
      )
    })
    const all = who => {
      for (const input of node.querySelectorAll(`input[value=${who}]`)) {
        input.checked = true
        input.dispatchEvent(new Event('change'))
      }
    }
    const done = () => {
      node.closeIt()
      session.act(`Merged ${file}`, () => {
        for (const [i, cls] of fresh) session.set(i, session.classNumber(cls), LOADED)
        for (const [i, cls] of differ) if (take.has(i)) session.set(i, session.classNumber(cls), LOADED)
      })
    }
    const node = this.dialog(
      `${file}: ${count(differ.length, 'disagreement')}`,
      [...notes.map(text => el('p', { text })), el('div', { class: 'differs' }, ...rows)],
      [
        button('All of the file', () => all('theirs'), { class: 'quiet' }),
        button('All as here', () => all('mine'), { class: 'quiet' }),
        button('Cancel', () => node.closeIt(), { class: 'quiet' }),
        button('Merge', done, { class: 'primary' }),
      ],
    )
  }

  help() {
    const key = (keys, text) =>
      el('tr', {}, el('td', {}, ...keys.map(k => el('kbd', { text: k }))), el('td', { text }))
    const node = this.dialog(
      'How it works',
      [
        el('p', {
          text:
            'Groups: name what is alike. Queue: label what helps most. Check: mend what looks wrong. ' +
            'Map: see the whole. Your labels are spread over like images; a guess carries a question mark ' +
            'and is exported only if you ask for it.',
        }),
        el(
          'table',
          { class: 'keys' },
          key(['1', '2', '…'], 'label the selected images, or the group or image in question, with that class'),
          key(['Enter'], 'type a new name'),
          key(['↓', '↑'], 'next and previous group; in the Queue, skip and go back'),
          key(['Space'], 'in the Queue skip; in Check keep the label'),
          key(['Delete'], 'none of these classes'),
          key(['Ctrl+Z', 'Backspace'], 'undo'),
          key(['Ctrl+Shift+Z'], 'redo'),
          key(['Shift+G', 'M', 'Q', 'C'], 'Groups, Map, Queue, Check'),
          key(['Esc'], 'select nothing'),
          key(['Click', 'drag', 'Shift+click'], 'select images one by one, by drawing over them, or up to here'),
        ),
        el('p', {
          class: 'soft',
          text: `Everything is saved after every action. ${this.host.keeps} ${this.provenance()}`,
        }),
      ],
      [button('Close', () => node.closeIt(), { class: 'primary', autofocus: true })],
    )
  }

  close() {
    this.host.keys.removeEventListener('keydown', this.onKey)
    this.pictures.close()
    for (const view of Object.values(this.views)) view.leave?.()
  }
}

const isGuess = (session, spread, i, least) =>
  session.label[i] < 0 && !(session.mark[i] & NONE) && spread.guess[i] >= 0 && spread.sure[i] >= least

/** Labelled images whose neighbours say something else, the clearest first. */
function suspects(session, spread) {
  const found = []
  for (let i = 0; i < session.n; i++) {
    const c = session.label[i]
    if (c < 0 || session.mark[i] & CHECKED || spread.vote[i] < 0 || spread.vote[i] === c) continue
    if (spread.voted[i] >= 0.5) found.push([spread.voted[i], i])
  }
  return found.sort((a, b) => b[0] - a[0]).map(pair => pair[1])
}

// --- Groups

const shapeOf = members => [...members].map(([g, m]) => `${g}:${m.length}`).join()

class GroupsView {
  constructor(app) {
    this.app = app
    this.current = null
    this.wide = new Set() // groups of which all images are shown
    this.joining = null
  }

  build(panel) {
    const { app } = this
    const { session } = app
    const members = session.allMembers()
    this.shape = shapeOf(members)
    this.order = this.alike([...members.keys()], members)
    const choose = el(
      'select',
      { 'aria-label': 'Which groups', onchange: event => this.regroup(+event.target.value) },
      ...session.groupings.map((g, j) => el('option', { value: j, text: g.name, selected: j === session.grouping })),
    )
    this.summary = el('span', { class: 'soft' })
    this.hint = el('p', {
      class: 'hint',
      text:
        'Name each group by what most of its images show. ' +
        'Click images that do not belong, and press the key of their class.',
    })
    const top = el(
      'div',
      { class: 'viewhead' },
      el('label', {}, session.groupings.length > 1 ? choose : null),
      this.summary,
      el('span', { class: 'selection', hidden: true }),
    )
    this.number = new Map(this.order.map((g, j) => [g, j + 1]))
    this.rows = new Map(this.order.map(g => [g, this.row(g, members.get(g))]))
    panel.replaceChildren(this.hint, top, ...this.rows.values())
    this.choose(this.rows.has(this.current) ? this.current : (this.firstOpen() ?? this.order[0]), false)
  }

  /** Groups in such an order that like ones follow each other, the largest first. */
  alike(groups, members) {
    const { features } = this.app
    if (groups.length > 1200) return groups
    const centres = new Map(groups.map(g => [g, features.centre(members.get(g))]))
    const left = new Set(groups)
    const size = g => members.get(g).length
    let at = groups.reduce((a, b) => (size(b) > size(a) ? b : a))
    const order = []
    while (true) {
      order.push(at)
      left.delete(at)
      if (!left.size) return order
      const c = centres.get(at)
      let best = null,
        closest = -Infinity
      for (const g of left) {
        const other = centres.get(g)
        let dot = 0
        for (let a = 0; a < c.length; a++) dot += c[a] * other[a]
        if (dot > closest) {
          closest = dot
          best = g
        }
      }
      at = best
    }
  }

  called(g) {
    return `Group ${this.number.get(g)}`
  }

  row(g, images) {
    const { app } = this
    const section = el('section', {
      class: 'group',
      'data-g': g,
      tabindex: -1,
      'aria-label': this.called(g),
      onclick: () => this.choose(g, false),
    })
    const input = el('input', {
      type: 'text',
      placeholder: 'Name this group',
      'aria-label': `Name of ${this.called(g)}`,
      list: app.id('names'),
      maxlength: 80,
      enterkeyhint: 'done',
      autocomplete: 'off',
      onfocus: () => this.choose(g, false),
      onkeydown: event => {
        if (event.key === 'Enter') {
          event.preventDefault()
          event.stopPropagation()
          input.blur()
        }
      },
      onchange: () => this.named(g, input),
    })
    section.input = input
    section.meta = el('span', { class: 'meta' })
    section.warn = el('span', { class: 'warn', hidden: true })
    section.suggest = button('', () => this.takeSuggestion(g), { class: 'suggest', hidden: true })
    section.more = button(
      '',
      () => {
        this.wide.has(g) ? this.wide.delete(g) : this.wide.add(g)
        this.fill(section, g)
      },
      { class: 'quiet small' },
    )
    section.join = button('Join', () => this.join(g), {
      class: 'quiet small',
      title: 'Join this group with another one',
    })
    section.append(
      el(
        'header',
        {},
        el('h3', { text: this.called(g) }),
        section.meta,
        section.warn,
        el('span', { class: 'grow' }),
        section.suggest,
        input,
        button('Split', () => this.split(g), { class: 'quiet small', title: 'Split this group in two' }),
        section.join,
      ),
      (section.tiles = el('div', {
        class: 'tiles',
        role: 'group',
        'aria-label': `Images of ${this.called(g)}, the most central first, the doubtful at the end`,
      })),
      section.more,
    )
    ;[section.images, section.strays] = this.arranged(images)
    section.two = looksLikeTwo(images, app.features, app.spread)
    this.fill(section, g)
    return section
  }

  /** The most central first; behind them, class by class, those whose neighbours have another label. */
  arranged(images) {
    const { session, spread, features } = this.app
    const stray = i => session.by[i] === GROUP && spread.vote[i] >= 0 && spread.vote[i] !== session.label[i]
    const ordered = features.ordered(images)
    const strays = ordered.filter(stray).sort((a, b) => spread.vote[a] - spread.vote[b])
    return [[...ordered.filter(i => !stray(i)), ...strays], strays.length]
  }

  fill(section, g) {
    const most = this.wide.has(g) ? section.images.length : 36
    const all = section.images
    const last = clamp(section.strays, 12, 48)
    const shown = all.length <= most - 12 + last ? all : [...all.slice(0, most - 12), ...all.slice(-last)]
    const nodes = shown.map(i => this.app.tile(i))
    if (shown.length < all.length) nodes[most - 12].classList.add('gap')
    if (nodes.length) nodes[0].tabIndex = 0
    section.tiles.replaceChildren(...nodes)
    section.more.hidden = !this.wide.has(g) && shown.length === all.length
    section.more.textContent = this.wide.has(g)
      ? 'Show fewer'
      : `Show all ${all.length}; the last are the least typical`
    this.app.paint()
  }

  refresh() {
    const { session } = this.app
    const members = session.allMembers()
    if (shapeOf(members) !== this.shape) this.build(this.app.panel)
    for (const [g, section] of this.rows) this.refreshRow(g, section)
    const named = [...this.rows.values()].filter(s => s.name !== null).length
    this.summary.textContent = `${named} of ${count(this.rows.size, 'group')} named`
    this.hint.hidden = named > 2
  }

  refreshRow(g, section) {
    const { session, spread } = this.app
    const tally = new Map()
    let labelled = 0,
      byGroup = -1
    for (const i of section.images) {
      const c = session.label[i]
      if (c < 0) continue
      labelled++
      tally.set(c, (tally.get(c) ?? 0) + 1)
      if (session.by[i] === GROUP) byGroup = c
    }
    const top = [...tally].sort((a, b) => b[1] - a[1])
    section.name = byGroup >= 0 ? byGroup : labelled === section.images.length && top.length === 1 ? top[0][0] : null
    section.classList.toggle('named', section.name !== null)
    section.style.setProperty('--colour', section.name === null ? 'var(--line)' : colourOf(section.name))
    if (document.activeElement !== section.input)
      section.input.value = section.name === null ? '' : session.classes[section.name]
    const share = labelled ? `, ${percent(labelled / section.images.length)} labelled` : ''
    section.meta.textContent = `${count(section.images.length, 'image')}${share}`
    const two = section.name === null && section.two
    const mixed = section.name === null && top.length > 1
    section.warn.hidden = !(two || mixed)
    section.warn.textContent = mixed
      ? `has ${session.classes[top[0][0]]} and ${session.classes[top[1][0]]}`
      : 'looks like two'
    this.suggestion(section, spread, session)
  }

  suggestion(section, spread, session) {
    const votes = new Map()
    for (const i of section.images)
      if (spread.guess[i] >= 0) votes.set(spread.guess[i], (votes.get(spread.guess[i]) ?? 0) + spread.sure[i])
    const [best] = [...votes].sort((a, b) => b[1] - a[1])
    const clear = best && best[0] < session.classes.length && best[1] / section.images.length >= 0.6
    section.best = section.name === null && clear ? best[0] : null
    section.suggest.hidden = section.best === null
    if (section.best !== null) {
      section.suggest.textContent = `${session.classes[section.best]}?`
      section.suggest.title = `Name it ${session.classes[section.best]} (${percent(best[1] / section.images.length)})`
    }
  }

  takeSuggestion(g) {
    const section = this.rows.get(g)
    this.choose(g, false)
    this.app.selected.clear()
    if (section.best !== null) this.app.giveName(this.app.session.classes[section.best], this.target())
  }

  choose(g, look = true) {
    if (this.joining !== null && this.joining !== g) return this.joinWith(g)
    this.current = g
    for (const [other, section] of this.rows) {
      section.classList.toggle('current', other === g)
      if (other === g) section.setAttribute('aria-current', true)
      else section.removeAttribute('aria-current')
    }
    const section = this.rows.get(g)
    if (look && section) {
      section.scrollIntoView({
        block: 'center',
        behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth',
      })
      section.focus({ preventScroll: true })
    }
  }

  onSelect(node) {
    const section = node?.closest('.group')
    if (section) this.choose(+section.dataset.g, false)
  }

  target() {
    if (!this.rows.has(this.current)) return null
    return { group: this.current, what: this.called(this.current) }
  }

  /** After a group was named the next one without a name is in question. */
  after(target) {
    if (target.group === undefined) return
    const next = this.firstOpen(target.group)
    if (next !== null) this.choose(next)
  }

  firstOpen(after) {
    const from = this.order.indexOf(after) + 1
    const turned = [...this.order.slice(from), ...this.order.slice(0, from)]
    return turned.find(g => this.rows.get(g).name === null || this.rows.get(g).name === undefined) ?? null
  }

  named(g, input) {
    const name = input.value.trim(),
      section = this.rows.get(g)
    const was = section.name === null ? '' : this.app.session.classes[section.name]
    if (!name || name === was) return
    this.current = g
    this.app.selected.clear()
    this.app.giveName(name, this.target())
  }

  regroup(j) {
    const { session } = this.app
    session.act(`Groups: ${session.groupings[j].name}`, () => {
      session.grouping = j
      session.group = session.groupings[j].of.slice()
    })
  }

  split(g) {
    const { session, features } = this.app
    const images = session.members(g)
    if (images.length < 2) return this.app.say('One image cannot be split.')
    const side = features.halves(images)
    if (side.every(s => s === side[0])) return this.app.say('Its images are all alike; there is nothing to split.')
    const fresh = session.group.reduce((a, b) => Math.max(a, b), 0) + 1
    session.act(`${this.called(g)} split`, () =>
      images.forEach((i, j) => {
        if (side[j]) session.group[i] = fresh
      }),
    )
    this.choose(g)
  }

  join(g) {
    if (this.joining !== null && this.joining !== g) return this.joinWith(g)
    this.joining = this.joining === g ? null : g
    for (const [other, section] of this.rows) {
      section.classList.toggle('joining', this.joining === other)
      section.join.textContent = this.joining === null ? 'Join' : this.joining === other ? 'Cancel' : 'Join here'
    }
    if (this.joining !== null) this.app.say('Click the group to join it with.')
  }

  joinWith(g) {
    const { session } = this.app
    const from = this.joining
    this.joining = null
    session.act(`${this.called(from)} and ${this.called(g)} joined`, () => {
      for (let i = 0; i < session.n; i++) if (session.group[i] === from) session.group[i] = g
    })
    this.choose(g)
  }

  key(key, event) {
    const onTile = event.target.closest?.('.tile[data-i]')
    if (onTile && /^Arrow/.test(key)) return moveAmong(onTile, key)
    if (key === 'ArrowDown' || key === 'ArrowUp') {
      const at = this.order.indexOf(this.current) + (key === 'ArrowDown' ? 1 : -1)
      if (at >= 0 && at < this.order.length) this.choose(this.order[at])
      return true
    }
    if (key === 'ArrowRight' || key === 'ArrowLeft') {
      this.rows.get(this.current)?.tiles.firstChild?.focus()
      return true
    }
    if (key === 'Enter') {
      const section = this.rows.get(this.current)
      if (this.app.selected.size || !section) return false
      section.input.focus()
      section.input.select()
      return true
    }
    return false
  }
}

/** The arrows go from tile to tile; up and down by rows of the grid. */
function moveAmong(node, key) {
  const all = [...node.parentElement.querySelectorAll('.tile[data-i]')]
  const at = all.indexOf(node),
    y = node.offsetTop
  const across = { ArrowLeft: -1, ArrowRight: 1 }[key]
  let to = at + (across ?? 0)
  if (!across) {
    const wide = all.filter(other => other.offsetTop === all[0].offsetTop).length
    to = at + (key === 'ArrowDown' ? wide : -wide)
    if (!all[to] && y === node.offsetTop) return false
  }
  all[clamp(to, 0, all.length - 1)].focus()
  return true
}

// --- Queue

class QueueView {
  constructor(app) {
    this.app = app
    this.seen = []
  }

  build(panel) {
    this.picture = el('div', { class: 'big' })
    this.file = el('div', { class: 'file-name' })
    this.guesses = el('div', { class: 'guesses', 'aria-label': 'Likely classes' })
    this.like = el('div', { class: 'tiles like', role: 'group', 'aria-label': 'Like images that are labelled' })
    this.left = el('p', { class: 'hint' })
    this.coming = el('div', { class: 'tiles coming', 'aria-hidden': 'true' })
    this.main = el(
      'div',
      { class: 'queue' },
      el(
        'div',
        { class: 'ask' },
        this.picture,
        this.file,
        el(
          'div',
          { class: 'buttons' },
          button('Skip', () => this.skip(), { class: 'quiet', title: 'Space' }),
          button('None of these', () => this.app.giveNone(), { class: 'quiet', title: 'Delete' }),
        ),
      ),
      el(
        'div',
        { class: 'answers' },
        el('h3', { text: 'Which class is it?' }),
        this.guesses,
        el('h4', { text: 'Most like it' }),
        this.like,
        el('h4', { text: 'Next' }),
        this.coming,
      ),
    )
    this.end = el('div', { class: 'empty', hidden: true })
    panel.replaceChildren(this.left, this.main, this.end)
  }

  refresh(spread) {
    const { app } = this
    const { session } = app
    const list = nextImages(session, app.spread, 9)
    const left = labelsLeft(session, app.spread)
    this.image = list[0]
    this.main.hidden = this.image === undefined
    this.end.hidden = this.image !== undefined
    this.left.textContent = this.says(left)
    if (this.image === undefined) return this.finished()
    if (this.drawn !== this.image || !this.picture.firstChild) {
      this.drawn = this.image
      this.picture.replaceChildren(
        el(
          'div',
          { class: 'tile still', role: 'img', 'aria-label': `The image ${session.names[this.image]}` },
          app.pictures.picture(this.image),
        ),
      )
      this.file.textContent = session.names[this.image]
    }
    this.showGuesses()
    this.showLike()
    this.coming.replaceChildren(
      ...list.slice(1).map(i => el('span', { class: 'tile still' }, app.pictures.picture(i))),
    )
  }

  says({ picks, unsure, silent }) {
    if (!this.app.session.classes.length) return 'Name the first image: press Enter and type what it shows.'
    if (silent)
      return `About ${count(picks, 'more label')} until labels add little; ${count(silent, 'group')} without a label yet.`
    if (!unsure) return 'Every image has a label or a clear guess. More labels add little; look at Check.'
    return `About ${count(picks, 'more label')} until labels add little; ${count(unsure, 'image')} without a clear guess.`
  }

  finished() {
    const { session } = this.app
    const skipped = range(session.n).filter(i => session.mark[i] & SKIPPED)
    this.end.replaceChildren(
      el('h3', { text: 'Nothing more to ask' }),
      el('p', { text: 'Look at Check for what may be wrong, or export your labels.' }),
      skipped.length
        ? button(`Ask again about ${count(skipped.length, 'skipped image')}`, () =>
            session.act('Skipped images asked again', () =>
              skipped.forEach(i => {
                session.mark[i] &= ~SKIPPED
              }),
            ),
          )
        : null,
      button('Go to Check', () => this.app.show('check'), { class: 'primary' }),
    )
  }

  showGuesses() {
    const { session, spread } = this.app
    const ranking = spread.ranking(this.image).filter(([c]) => c < session.classes.length)
    const chance = new Map(ranking)
    const order = [...ranking.map(([c]) => c), ...range(session.classes.length).filter(c => !chance.has(c))]
    this.guesses.replaceChildren(
      ...order.slice(0, 12).map(c => {
        const p = spread.guess[this.image] < 0 ? 0 : (chance.get(c) ?? 0)
        const node = el(
          'button',
          { type: 'button', class: 'guess', onclick: () => this.app.give(c) },
          el('kbd', { text: (KEYS[c] ?? '').toUpperCase() }),
          el('span', { class: 'name', text: session.classes[c] }),
          el('span', { class: 'share', text: p ? percent(p) : '' }),
        )
        node.style.setProperty('--share', p)
        node.style.setProperty('--colour', colourOf(c))
        return node
      }),
    )
  }

  showLike() {
    const { session, spread, pictures } = this.app
    const near = range(spread.k)
      .map(m => spread.near[this.image * spread.k + m])
      .slice(0, 8)
    this.like.replaceChildren(
      ...near.map(i => {
        const c = session.label[i]
        const node = el(
          'span',
          {
            class: c >= 0 ? 'tile still labelled' : 'tile still',
            role: 'img',
            'aria-label': c >= 0 ? session.classes[c] : 'no label',
          },
          pictures.picture(i),
          el('span', { class: 'chip', text: c >= 0 ? session.classes[c] : '' }),
        )
        node.style.setProperty('--colour', colourOf(c))
        return node
      }),
    )
  }

  target() {
    return this.image === undefined ? null : { images: [this.image], what: this.app.session.names[this.image] }
  }

  skip() {
    const { session } = this.app
    if (this.image === undefined) return
    session.act(`Skipped ${session.names[this.image]}`, () => {
      session.mark[this.image] |= SKIPPED
    })
  }

  key(key) {
    if (key === ' ' || key === 'ArrowDown' || key === 'ArrowRight') {
      this.skip()
      return true
    }
    if (key === 'ArrowUp' || key === 'ArrowLeft') {
      this.app.undo()
      return true
    }
    return false
  }
}

// --- Check

class CheckView {
  constructor(app) {
    this.app = app
    this.part = 'wrong'
    this.kept = new Set() // groups of near duplicates and outliers that were looked at
  }

  build(panel) {
    const parts = { wrong: 'Suspected wrong', guesses: 'Guesses', alike: 'Near duplicates', odd: 'Outliers' }
    this.choice = el(
      'div',
      { class: 'choice', role: 'group', 'aria-label': 'What to check' },
      ...Object.entries(parts).map(([id, text]) => {
        const node = button(
          '',
          () => {
            this.part = id
            this.app.selected.clear()
            this.drawn = null
            this.at = null
            this.app.refresh()
          },
          { 'data-part': id },
        )
        node.append(el('span', { text }), el('span', { class: 'badge' }))
        return node
      }),
    )
    this.hint = el('p', { class: 'hint' })
    this.body = el('div', { class: 'checks' })
    this.drawn = null
    panel.replaceChildren(this.choice, this.hint, el('span', { class: 'selection', hidden: true }), this.body)
  }

  refresh() {
    const { session, spread } = this.app
    this.lists = { wrong: suspects(session, spread), guesses: this.guessed(), alike: this.alike(), odd: this.odd() }
    for (const node of this.choice.children) {
      const n = this.lists[node.dataset.part].length
      node.setAttribute('aria-pressed', node.dataset.part === this.part)
      node.lastChild.textContent = n.toLocaleString('en')
    }
    const [hint, draw] = {
      wrong: [
        'The neighbours of these images have another label. Enter takes it, Space keeps yours, ' +
          'a class key gives a third.',
        () => this.drawWrong(),
      ],
      guesses: [
        'What spreading says of the images without a label, the doubtful first. ' +
          'Click what is wrong and press its class; then accept the rest.',
        () => this.drawGuesses(),
      ],
      alike: [
        'Images that are nearly the same. They should have the same label, ' +
          'and should not stand in both training and test.',
        () => this.drawAlike(),
      ],
      odd: [
        'Images unlike all others: damaged, of no class, or rare. Click those of no class and press Delete.',
        () => this.drawOdd(),
      ],
    }[this.part]
    this.hint.textContent = hint
    const shape = JSON.stringify([this.part, this.lists[this.part].slice(0, 400), session.classes])
    if (shape === this.drawn) return
    this.drawn = shape
    draw()
  }

  nothing(text) {
    this.body.replaceChildren(el('div', { class: 'empty' }, el('h3', { text })))
  }

  // suspected wrong labels

  drawWrong() {
    const list = this.lists.wrong
    const { session, spread } = this.app
    if (!list.length)
      return this.nothing(
        session.labelled() ? 'No label is contradicted by its neighbours' : 'Nothing is labelled yet',
      )
    if (!list.includes(this.at)) this.at = list[clamp(this.place ?? 0, 0, list.length - 1)]
    const sure = list.filter(i => spread.voted[i] >= 0.8 && session.by[i] !== HAND)
    const all = button(
      `Mend the ${count(sure.length, 'label')} by group that 80 % of the neighbours contradict`,
      () => this.mend(sure),
      { hidden: !sure.length },
    )
    this.body.replaceChildren(
      el('div', { class: 'viewhead', hidden: !sure.length }, all),
      el('div', { class: 'cards' }, ...list.slice(0, 120).map(i => this.card(i))),
    )
    this.mark()
  }

  card(i) {
    const { session, spread } = this.app
    const theirs = session.classes[spread.vote[i]]
    return el(
      'div',
      {
        class: 'card',
        'data-card': i,
        onclick: () => {
          this.at = i
          this.mark()
        },
      },
      el(
        'div',
        { class: 'tile still', role: 'img', 'aria-label': session.names[i] },
        this.app.pictures.picture(i),
        el('span', { class: 'chip' }),
      ),
      el(
        'div',
        { class: 'says' },
        el('div', { class: 'file-name', text: session.names[i] }),
        el(
          'div',
          {},
          el('span', { class: 'soft', text: session.by[i] === GROUP ? 'by its group ' : 'labelled ' }),
          el('b', { text: session.classes[session.label[i]] }),
        ),
        el(
          'div',
          {},
          el('span', { class: 'soft', text: `${percent(spread.voted[i])} of its neighbours say ` }),
          el('b', { text: theirs }),
        ),
        el(
          'div',
          { class: 'buttons' },
          button(theirs, () => this.mend([i]), { class: 'small', title: `Label it ${theirs} (Enter)` }),
          button('Keep', () => this.keep(i), { class: 'quiet small', title: 'The label is right (Space)' }),
        ),
      ),
    )
  }

  mark() {
    for (const node of this.body.querySelectorAll('[data-card]')) {
      const on = +node.dataset.card === this.at
      node.classList.toggle('current', on)
      if (on) node.scrollIntoView({ block: 'nearest' })
    }
  }

  mend(images) {
    const { session, spread } = this.app
    this.place = this.lists.wrong.indexOf(images[0])
    const to = images.map(i => spread.vote[i])
    session.act(
      images.length === 1
        ? `${session.names[images[0]]}: ${session.classes[to[0]]}`
        : `${count(images.length, 'label')} mended`,
      () => images.forEach((i, j) => session.set(i, to[j], images.length === 1 ? HAND : ACCEPTED)),
    )
  }

  keep(i) {
    const { session } = this.app
    this.place = this.lists.wrong.indexOf(i)
    session.act(`${session.names[i]} kept`, () => {
      session.mark[i] |= CHECKED
    })
  }

  before(target) {
    if (this.part === 'wrong' && target.images) this.place = this.lists.wrong.indexOf(target.images[0])
  }

  // guesses, class by class

  guessed() {
    const { session, spread } = this.app
    const found = range(session.n).filter(
      i => isGuess(session, spread, i, 0) && spread.guess[i] < session.classes.length,
    )
    return found.sort((a, b) => spread.guess[a] - spread.guess[b] || spread.sure[a] - spread.sure[b])
  }

  drawGuesses() {
    const { session, spread } = this.app
    const list = this.lists.guesses
    if (!list.length)
      return this.nothing(session.labelled() ? 'There is no guess to look at' : 'Label a few images first')
    const least = el('input', {
      type: 'range',
      min: 50,
      max: 99,
      value: this.least ?? 90,
      'aria-label': 'Least confidence, in per cent',
    })
    const all = button('', () => this.accept(this.above(least.value / 100)), {})
    const tell = () => {
      this.least = least.value
      const n = this.above(least.value / 100).length
      all.textContent = `Accept ${count(n, 'guess', 'guesses')} of ${least.value} % or more`
      all.disabled = !n
    }
    least.addEventListener('input', tell)
    tell()
    const byClass = range(session.classes.length)
      .map(c => [c, list.filter(i => spread.guess[i] === c)])
      .filter(pair => pair[1].length)
    this.body.replaceChildren(
      el('div', { class: 'viewhead' }, all, el('label', { class: 'slide' }, least)),
      ...byClass.map(([c, images]) => this.guessRow(c, images)),
    )
    this.app.paint()
  }

  guessRow(c, images) {
    const { session } = this.app
    const name = session.classes[c],
      shown = images.slice(0, 96)
    const nodes = shown.map(i => this.app.tile(i))
    nodes[0].tabIndex = 0
    const what =
      shown.length < images.length
        ? `Accept these ${shown.length}`
        : `Accept ${count(images.length, 'guess', 'guesses')}`
    const row = el(
      'section',
      { class: 'group' },
      el(
        'header',
        {},
        el('h3', { text: `${name}?` }),
        el('span', { class: 'meta', text: `${count(images.length, 'guess', 'guesses')}, the least certain first` }),
        el('span', { class: 'grow' }),
        button(what, () => this.accept(shown.filter(i => !this.app.selected.has(i))), {
          title: 'All but the selected ones',
        }),
      ),
      el('div', { class: 'tiles', role: 'group', 'aria-label': `Guessed ${name}` }, ...nodes),
    )
    row.style.setProperty('--colour', colourOf(c))
    return row
  }

  above(least) {
    const { session, spread } = this.app
    return this.lists.guesses.filter(i => isGuess(session, spread, i, least))
  }

  accept(images) {
    const { session, spread } = this.app
    session.act(`${count(images.length, 'guess', 'guesses')} accepted`, () =>
      images.forEach(i => session.set(i, spread.guess[i], ACCEPTED)),
    )
  }

  // near duplicates and outliers

  alike() {
    return this.app.payload.alike
      .map((images, j) => [j, images])
      .filter(([j]) => !this.kept.has(j))
      .map(pair => pair[0])
  }

  drawAlike() {
    const { session, payload } = this.app
    if (!this.lists.alike.length) return this.nothing('No images are nearly the same')
    this.body.replaceChildren(
      ...this.lists.alike.slice(0, 100).map(j => {
        const images = payload.alike[j]
        const labels = new Set(images.filter(i => session.label[i] >= 0).map(i => session.label[i]))
        return el(
          'section',
          { class: 'group' },
          el(
            'header',
            {},
            el('h3', { text: count(images.length, 'image') }),
            el('span', {
              class: labels.size > 1 ? 'warn' : 'meta',
              text:
                labels.size > 1
                  ? `labelled ${[...labels].map(c => session.classes[c]).join(' and ')}`
                  : images
                      .slice(0, 3)
                      .map(i => session.names[i])
                      .join(', '),
            }),
            el('span', { class: 'grow' }),
            button(
              'Select all',
              () => {
                images.forEach(i => this.app.selected.add(i))
                this.app.paint()
              },
              { class: 'quiet small' },
            ),
            button(
              'Fine',
              () => {
                this.kept.add(j)
                this.drawn = null
                this.app.refresh()
              },
              { class: 'quiet small' },
            ),
          ),
          el('div', { class: 'tiles', role: 'group' }, ...images.slice(0, 36).map(i => this.app.tile(i))),
        )
      }),
    )
    this.app.paint()
  }

  odd() {
    const { session, payload } = this.app
    return payload.odd.filter(i => !(session.mark[i] & (NONE | CHECKED)))
  }

  drawOdd() {
    const { session } = this.app
    const list = this.lists.odd.slice(0, 120)
    if (!list.length) return this.nothing('No image is unlike all others')
    const nodes = list.map(i => this.app.tile(i))
    nodes[0].tabIndex = 0
    this.body.replaceChildren(
      el(
        'div',
        { class: 'viewhead' },
        button(
          'The others are fine',
          () =>
            session.act(`${count(list.length, 'outlier')} looked at`, () =>
              list
                .filter(i => !this.app.selected.has(i))
                .forEach(i => {
                  session.mark[i] |= CHECKED
                }),
            ),
          { class: 'quiet' },
        ),
      ),
      el('div', { class: 'tiles wide', role: 'group', 'aria-label': 'Outliers' }, ...nodes),
    )
    this.app.paint()
  }

  target() {
    if (this.part !== 'wrong' || this.at === null || !this.lists.wrong.includes(this.at)) return null
    return { images: [this.at], what: this.app.session.names[this.at] }
  }

  key(key, event) {
    const onTile = event.target.closest?.('button.tile[data-i]')
    if (onTile && /^Arrow/.test(key)) return moveAmong(onTile, key)
    if (this.part !== 'wrong' || this.at === null || !this.lists.wrong.length) return false
    const list = this.lists.wrong,
      at = list.indexOf(this.at)
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[key]
    if (step) {
      this.at = list[clamp(at + step, 0, list.length - 1)]
      this.mark()
      return true
    }
    if (key === 'Enter') {
      this.mend([this.at])
      return true
    }
    if (key === ' ') {
      this.keep(this.at)
      return true
    }
    return false
  }
}

// --- Map

class MapView {
  constructor(app) {
    this.app = app
    this.scale = 1
    this.shift = [0, 0]
    this.tool = 'lasso'
    this.colour = 'label'
    const xy = numbers(app.payload.xy, Uint16Array)
    this.x = Float32Array.from(range(app.session.n), i => xy[2 * i] / 65535)
    this.y = Float32Array.from(range(app.session.n), i => xy[2 * i + 1] / 65535)
  }

  build(panel) {
    const { app } = this
    const colours = {
      label: 'Label and guess',
      group: 'Group',
      confidence: 'Confidence',
      disagreement: 'Disagreement',
    }
    const choose = el(
      'select',
      {
        'aria-label': 'Colour by',
        onchange: event => {
          this.colour = event.target.value
          this.refresh()
        },
      },
      ...Object.entries(colours).map(([id, text]) => el('option', { value: id, text, selected: id === this.colour })),
    )
    const tool = (id, text, title) =>
      button(
        text,
        () => {
          this.tool = id
          this.tools()
        },
        { 'data-tool': id, class: 'small', title },
      )
    this.toolBox = el(
      'span',
      { class: 'choice', role: 'group', 'aria-label': 'Tool' },
      tool('lasso', 'Lasso', 'Draw around images to select them'),
      tool('move', 'Move', 'Drag the map'),
    )
    this.canvas = el('canvas', {
      class: 'map',
      tabindex: 0,
      role: 'img',
      'aria-label': 'Map of all images. Arrows move it, plus and minus zoom, Enter selects what is in view.',
    })
    this.hover = el('div', { class: 'hover', hidden: true })
    this.legend = el('div', { class: 'legend' })
    this.picked = el('div', { class: 'tiles picked', role: 'group', 'aria-label': 'Selected images' })
    panel.replaceChildren(
      el(
        'div',
        { class: 'viewhead' },
        this.toolBox,
        el('label', { class: 'by' }, 'Colour by ', choose),
        button('+', () => this.zoom(1.6), { class: 'quiet round', 'aria-label': 'Zoom in' }),
        button('−', () => this.zoom(1 / 1.6), { class: 'quiet round', 'aria-label': 'Zoom out' }),
        button(
          'All',
          () => {
            this.scale = 1
            this.shift = [0, 0]
            this.draw()
          },
          { class: 'quiet small', title: 'Show the whole map' },
        ),
        el('span', { class: 'selection', hidden: true }),
      ),
      el('div', { class: 'mapbox' }, this.canvas, this.hover),
      this.legend,
      this.picked,
    )
    this.tools()
    this.listen()
    this.watch = new ResizeObserver(() => this.draw())
    this.watch.observe(this.canvas)
    app.pictures.ready.then(() => this.draw())
  }

  leave() {
    this.watch?.disconnect()
  }

  tools() {
    for (const node of this.toolBox.children) node.setAttribute('aria-pressed', node.dataset.tool === this.tool)
    this.canvas.style.cursor = this.tool === 'lasso' ? 'crosshair' : 'grab'
  }

  refresh() {
    this.draw()
    this.showLegend()
    this.showPicked()
  }

  /** From the map's unit square to pixels of the canvas. */
  at(i) {
    const { side, left, top } = this.box()
    return [
      left + (this.x[i] * this.scale + this.shift[0]) * side,
      top + (this.y[i] * this.scale + this.shift[1]) * side,
    ]
  }

  box() {
    const w = this.canvas.clientWidth,
      h = this.canvas.clientHeight,
      side = Math.min(w, h) - 28
    return { side, left: (w - side) / 2, top: (h - side) / 2, w, h }
  }

  colourAt(i) {
    const { session, spread } = this.app
    const c = session.label[i]
    if (this.colour === 'group') return colourOf(session.group[i])
    if (this.colour === 'confidence') {
      const p = session.by[i] === HAND ? 1 : spread.sure[i]
      return p ? `hsl(${30 + 170 * clamp((p - 0.4) / 0.6, 0, 1)} 65% 50%)` : 'rgba(128,128,128,.45)'
    }
    if (this.colour === 'disagreement') {
      const wrong = c >= 0 && spread.vote[i] >= 0 && spread.vote[i] !== c
      return wrong ? '#d1495b' : 'rgba(128,128,128,.35)'
    }
    if (c >= 0) return colourOf(c)
    return spread.guess[i] >= 0 ? colourOf(spread.guess[i]) : 'rgba(128,128,128,.5)'
  }

  draw() {
    const { canvas, app } = this
    if (!canvas?.isConnected || !canvas.clientWidth) return
    const ratio = devicePixelRatio || 1,
      { w, h } = this.box()
    canvas.width = w * ratio
    canvas.height = h * ratio
    const context = canvas.getContext('2d')
    context.scale(ratio, ratio)
    const { session, pictures, selected } = app
    const some = range(session.n)
      .map(i => [i, ...this.at(i)])
      .filter(([, x, y]) => x > -20 && y > -20 && x < w + 20 && y < h + 20)
    const tile = this.tileSize(some.length, w * h)
    const dot = clamp(0.32 * Math.sqrt((w * h) / Math.max(1, some.length)), 2, 6)
    context.imageSmoothingEnabled = app.pictures.tile > 48
    for (const [i, x, y] of some) {
      const colour = this.colourAt(i),
        sure = session.label[i] >= 0 || this.colour !== 'label' ? 1 : this.app.spread.sure[i]
      if (tile) this.drawTile(context, i, x, y, tile, colour, selected.has(i))
      else this.drawDot(context, x, y, dot, colour, sure, selected.has(i))
    }
    this.drawLasso(context)
    this.drawn = pictures
  }

  tileSize(n, area) {
    const size = 0.55 * Math.sqrt(area / Math.max(1, n))
    return size >= 17 ? Math.min(size, 56) : 0
  }

  drawTile(context, i, x, y, size, colour, on) {
    context.fillStyle = colour
    const edge = on ? 4 : 2
    context.fillRect(x - size / 2 - edge, y - size / 2 - edge, size + 2 * edge, size + 2 * edge)
    this.app.pictures.draw(context, i, x - size / 2, y - size / 2, size)
  }

  drawDot(context, x, y, size, colour, sure, on) {
    context.globalAlpha = 0.15 + 0.8 * sure ** 2
    context.fillStyle = colour
    context.beginPath()
    context.arc(x, y, on ? size * 1.5 : size, 0, 7)
    context.fill()
    context.globalAlpha = 1
    if (!on) return
    context.lineWidth = 2
    context.strokeStyle = getComputedStyle(this.app.root).getPropertyValue('--fg')
    context.stroke()
  }

  drawLasso(context) {
    if (!this.path || this.path.length < 2) return
    context.beginPath()
    this.path.forEach(([x, y], j) => (j ? context.lineTo(x, y) : context.moveTo(x, y)))
    context.closePath()
    context.fillStyle = 'rgba(111,95,208,.18)'
    context.strokeStyle = '#6f5fd0'
    context.lineWidth = 1.5
    context.fill()
    context.stroke()
  }

  listen() {
    const { canvas } = this
    const place = event => {
      const r = canvas.getBoundingClientRect()
      return [event.clientX - r.left, event.clientY - r.top]
    }
    this.fingers = new Map()
    canvas.addEventListener('pointerdown', event => {
      canvas.setPointerCapture(event.pointerId)
      this.fingers.set(event.pointerId, place(event))
      if (this.fingers.size > 1) this.path = null
      else if (this.tool === 'lasso') this.path = [place(event)]
      this.hover.hidden = true
    })
    canvas.addEventListener('pointermove', event => {
      const here = place(event)
      if (!this.fingers.has(event.pointerId)) return this.point(here)
      this.drag(event.pointerId, here)
    })
    const end = event => {
      this.fingers.delete(event.pointerId)
      if (this.path) this.lassoed(place(event))
    }
    canvas.addEventListener('pointerup', end)
    canvas.addEventListener('pointercancel', event => {
      this.fingers.delete(event.pointerId)
      this.path = null
      this.draw()
    })
    canvas.addEventListener('pointerleave', () => {
      this.hover.hidden = true
    })
    canvas.addEventListener(
      'wheel',
      event => {
        event.preventDefault()
        this.zoom(Math.exp(-event.deltaY / 400), place(event))
      },
      { passive: false },
    )
  }

  /** One finger draws or moves, two fingers zoom. */
  drag(id, here) {
    const was = this.fingers.get(id),
      { side } = this.box()
    const others = [...this.fingers].filter(([other]) => other !== id).map(([, spot]) => spot)
    this.fingers.set(id, here)
    if (others.length) {
      const [other] = others,
        far = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) || 1
      this.zoom(far(here, other) / far(was, other), other)
    } else if (this.path) {
      this.path.push(here)
      this.draw()
    } else {
      this.shift = [this.shift[0] + (here[0] - was[0]) / side, this.shift[1] + (here[1] - was[1]) / side]
      this.draw()
    }
  }

  zoom(factor, about) {
    const { side, left, top, w, h } = this.box(),
      [x, y] = about ?? [w / 2, h / 2]
    const scale = clamp(this.scale * factor, 0.7, 200),
      by = scale / this.scale
    const [u, v] = [(x - left) / side, (y - top) / side]
    this.shift = [u - (u - this.shift[0]) * by, v - (v - this.shift[1]) * by]
    this.scale = scale
    this.draw()
  }

  nearest([x, y]) {
    let best = -1,
      least = 26 ** 2
    for (let i = 0; i < this.app.session.n; i++) {
      const [a, b] = this.at(i),
        d = (a - x) ** 2 + (b - y) ** 2
      if (d < least) {
        least = d
        best = i
      }
    }
    return best
  }

  point(here) {
    const i = this.nearest(here)
    this.hover.hidden = i < 0
    if (i < 0) return
    const { session, spread, pictures } = this.app
    const c = session.label[i]
    const says =
      c >= 0
        ? session.classes[c]
        : spread.guess[i] >= 0
          ? `${session.classes[spread.guess[i]]}? ${percent(spread.sure[i])}`
          : 'no label'
    this.hover.replaceChildren(
      el('div', { class: 'tile still' }, pictures.picture(i)),
      el('div', { class: 'file-name', text: session.names[i] }),
      el('div', { class: 'soft', text: says }),
    )
    const { w } = this.box(),
      [x, y] = this.at(i)
    this.hover.style.left = `${clamp(x + 14, 0, Math.max(0, w - 150))}px`
    this.hover.style.top = `${Math.max(0, y + 14)}px`
  }

  lassoed(here) {
    const path = this.path
    this.path = null
    const { selected } = this.app
    if (path.length < 4) {
      const i = this.nearest(here)
      if (i < 0) selected.clear()
      else if (selected.has(i)) selected.delete(i)
      else selected.add(i)
    } else {
      for (let i = 0; i < this.app.session.n; i++) if (inside(this.at(i), path)) selected.add(i)
    }
    this.selection()
  }

  selection() {
    this.draw()
    this.showPicked()
    this.app.paint()
  }

  onSelect() {
    this.draw()
  }

  showPicked() {
    const images = [...this.app.selected]
    this.picked.replaceChildren(...images.slice(0, 120).map(i => this.app.tile(i)))
    this.app.paint()
  }

  showLegend() {
    const { session } = this.app
    const entry = (colour, text) => {
      const dot = el('i')
      dot.style.background = colour
      return el('span', {}, dot, text)
    }
    const parts = {
      label: [
        ...session.classes.map((name, c) => entry(colourOf(c), name)),
        entry('rgba(128,128,128,.6)', 'nothing known'),
        el('span', { class: 'soft', text: 'pale: a guess' }),
      ],
      group: [el('span', { class: 'soft', text: 'each group has a colour of its own' })],
      confidence: [
        entry('hsl(30 65% 50%)', 'uncertain'),
        entry('hsl(115 65% 50%)', 'likely'),
        entry('hsl(200 65% 50%)', 'certain'),
      ],
      disagreement: [
        entry('#d1495b', 'its neighbours have another label'),
        entry('rgba(128,128,128,.5)', 'no disagreement'),
      ],
    }
    this.legend.replaceChildren(...parts[this.colour])
  }

  key(key, event) {
    if (event.target.closest?.('button.tile[data-i]') && /^Arrow/.test(key)) return moveAmong(event.target, key)
    const step = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[key]
    if (step) {
      this.shift = [this.shift[0] + step[0] * 0.1, this.shift[1] + step[1] * 0.1]
      this.draw()
      return true
    }
    if (key === '+' || key === '-') {
      this.zoom(key === '+' ? 1.6 : 1 / 1.6)
      return true
    }
    if (key === 'Enter' && event.target === this.canvas && !this.app.selected.size) {
      this.selectView()
      return true
    }
    return false
  }

  selectView() {
    const { w, h } = this.box()
    for (let i = 0; i < this.app.session.n; i++) {
      const [x, y] = this.at(i)
      if (x >= 0 && y >= 0 && x <= w && y <= h) this.app.selected.add(i)
    }
    this.selection()
  }
}

/** Whether a point lies inside a polygon. */
function inside([x, y], polygon) {
  let odd = false
  for (let a = 0, b = polygon.length - 1; a < polygon.length; b = a++) {
    const [xa, ya] = polygon[a],
      [xb, yb] = polygon[b]
    if (ya > y !== yb > y && x < ((xb - xa) * (y - ya)) / (yb - ya) + xa) odd = !odd
  }
  return odd
}

// --- where it stands: a page of its own, or a notebook

const DARK = matchMedia('(prefers-color-scheme: dark)')

/** Draw the page into an element; returns the `App`. */
export function mount(root, payload, host) {
  return new App(root, payload, host)
}

/** What a page of its own keeps its labels in: the browser's store, under the checksum of its images. */
export function pageHost(payload) {
  const name = `ssl_nb label ${payload.key}`
  return {
    keys: document,
    holds: 'This file holds',
    keeps: 'Your labels stay in this browser until you export them.',
    top: () => scrollTo(0, 0),
    load: () => {
      try {
        return JSON.parse(localStorage.getItem(name))
      } catch {
        return null
      }
    },
    save: state => {
      try {
        localStorage.setItem(name, JSON.stringify(state))
        return ''
      } catch (error) {
        return error.name === 'QuotaExceededError'
          ? 'The store of this browser is full, so your labels are not saved.'
          : 'This browser keeps nothing for this page, so your labels are not saved.'
      }
    },
    onElsewhere: listen =>
      addEventListener('storage', event => {
        if (event.key === name && event.newValue) listen(JSON.parse(event.newValue))
      }),
  }
}

/** The page itself: it takes over what another window did, and asks before unsaved labels are left. */
export function startPage(root, payload) {
  const look = () => root.classList.toggle('dark', DARK.matches)
  look()
  DARK.addEventListener('change', look)
  const host = pageHost(payload),
    app = mount(root, payload, host)
  host.onElsewhere(saved => {
    app.session.past.push(app.session.snapshot('what another window did'))
    if (app.session.load(saved)) {
      app.refresh()
      app.respread()
      app.say('Taken over from another window.')
    }
  })
  addEventListener('beforeunload', event => {
    if (app.session.trouble) event.preventDefault()
  })
  return app
}

/** The same in a notebook, for anywidget: the state lives in Python, and the browser keeps a copy for a new kernel. */
function render({ model, el: node }) {
  const root = document.createElement('div')
  root.tabIndex = -1
  root.classList.add('embedded')
  node.append(root)
  const payload = JSON.parse(model.get('payload'))
  const host = notebookHost(root, model, pageHost(payload))
  const app = mount(root, payload, host)
  const stop = [keepKeys(root), followTheme(root)]
  if (app.back && !model.get('state')) app.session.save()
  const fromPython = () => {
    const saved = host.load()
    if (
      saved &&
      JSON.stringify(saved.label) !== JSON.stringify(base64(app.session.label)) &&
      app.session.load(saved)
    ) {
      app.refresh()
      app.respread()
    }
  }
  model.on('change:state', fromPython)
  return () => {
    model.off('change:state', fromPython)
    for (const end of stop) end()
    app.close()
  }
}

/** What a page in a notebook keeps its labels in: the model, whose other end is in Python. */
function notebookHost(root, model, browser) {
  return {
    keys: root,
    holds: 'This cell holds',
    keeps: 'Your labels are in Python at once, as the labels of the Labeller.',
    top: () => root.querySelector('.panel').scrollTo(0, 0),
    load: () => {
      try {
        return JSON.parse(model.get('state') || 'null') ?? browser.load()
      } catch {
        return null
      }
    },
    save: state => {
      model.set('state', JSON.stringify(state))
      model.save_changes()
      browser.save(state)
      return ''
    },
  }
}

/** Keys are the page's while it has the focus: else a key of the notebook's own might delete a cell. */
function keepKeys(root) {
  root.setAttribute('data-lm-suppress-shortcuts', 'true') // JupyterLab looks for this before it takes a key
  root.addEventListener('keydown', event => {
    if (event.defaultPrevented || !(event.ctrlKey || event.metaKey || event.altKey)) event.stopPropagation()
  })
  let gone = false
  const stay = () =>
    setTimeout(() => {
      const at = root.getRootNode().activeElement
      if (!gone && root.isConnected && (!at || at === document.body)) root.focus({ preventScroll: true })
    })
  for (const what of ['keydown', 'click']) root.addEventListener(what, stay, true)
  return () => (gone = true)
}

/** Whether what lies behind an element is dark, in whatever program shows the notebook. */
function darkBehind(node) {
  for (let at = node; at; at = at.parentElement) {
    const [r, g, b, a = 1] = (getComputedStyle(at).backgroundColor.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number)
    if (a > 0.5) return r + g + b < 384
  }
  return DARK.matches
}

/** Light or dark as the notebook is, also when its theme changes. */
function followTheme(root) {
  const look = () => root.classList.toggle('dark', darkBehind(root.parentElement))
  const seen = new MutationObserver(look)
  for (const node of [document.documentElement, document.body]) seen.observe(node, { attributes: true })
  const placed = new ResizeObserver(look)
  placed.observe(root)
  return () => {
    seen.disconnect()
    placed.disconnect()
  }
}

export default { render }
