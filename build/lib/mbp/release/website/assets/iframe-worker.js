/* A page that was opened from a file may not start a worker, and the search is one. There, a hidden frame is the
   worker: it runs the same script, and messages go both ways. On a server nothing is changed. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.title = "search"
      document.body.appendChild(frame)
      // Firefox replaces the empty document that a new frame begins with, unless one is written.
      frame.contentDocument.open()
      frame.contentDocument.write("<!doctype html><html><body></body></html>")
      frame.contentDocument.close()
      const inside = frame.contentWindow
      inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
      inside.importScripts = (...urls) =>
        urls.reduce((before, one) => before.then(() => this.load(one)), Promise.resolve())
      this.frame = frame
      this.ready = this.load(url)
    }
    load(url) {
      return new Promise((resolve, reject) => {
        const script = this.frame.contentDocument.createElement("script")
        script.src = new URL(url, document.baseURI).href
        script.onload = resolve
        script.onerror = reject
        this.frame.contentDocument.body.appendChild(script)
      })
    }
    postMessage(data) {
      const inside = this.frame.contentWindow
      this.ready.then(() => inside.dispatchEvent(new inside.MessageEvent("message", { data })))
    }
    terminate() {
      this.frame.remove()
    }
  }
}
/* What the theme forgets: a name of its dialog for screen readers, and a way for the keyboard into wide tables. */
addEventListener("load", () => {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search")
  document.querySelectorAll(".md-typeset__scrollwrap").forEach(one => (one.tabIndex = 0))
})
