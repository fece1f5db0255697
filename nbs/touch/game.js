// The labelling page as a game: `app` is the page, TRUTH the class number of each image. The score is how many of all
// images are named right; every change counts as a move.
const board = document.createElement('div')
board.id = 'score'
board.setAttribute('role', 'status')
board.style.cssText =
  'position: fixed; z-index: 9; right: .75rem; bottom: .75rem; padding: .5rem .9rem; border-radius: .5rem; ' +
  'font: 600 15px/1.4 system-ui, sans-serif; background: #1b5ea8; color: #fff; box-shadow: 0 2px 8px #0006'
document.body.append(board)

function showScore() {
  const { label, past } = app.session
  const right = TRUTH.filter((c, i) => label[i] === c).length
  const wrong = TRUTH.filter((c, i) => label[i] >= 0 && label[i] !== c).length
  board.textContent = `${right} of ${TRUTH.length} right, ${wrong} wrong, ${past.length} moves`
}

const saveLabels = app.session.save
app.session.save = function () {
  saveLabels.call(this)
  showScore()
}
showScore()
