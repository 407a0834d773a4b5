// The theme puts wide tables into boxes that scroll; the keyboard has to reach them (WCAG 2.2, 2.1.1).
document$.subscribe(() => {
  requestAnimationFrame(() => {
    for (const box of document.querySelectorAll(".md-typeset__scrollwrap")) box.tabIndex = 0
  })
})
