// Keep the page fresh and let its buttons act. Everything can be read without this file.
"use strict";

(() => {
  const root = document.documentElement;
  const line = document.getElementById("line");
  const said = document.getElementById("said");
  const live = () => document.getElementById("live");
  const LONGEST_MS = 60000;
  let timer = 0;
  let failures = 0;
  let asking = null;

  

  let quiet = 0;
  function say(text, isBad) {
    const note = document.createElement("p");
    note.textContent = text;
    note.className = isBad ? "bad" : "";
    said.replaceChildren(note);
    clearTimeout(quiet);
    quiet = setTimeout(() => said.replaceChildren(), isBad ? 20000 : 8000);
  }

  

  const keyOf = (node) => (node.nodeType === 1 && node.dataset && node.dataset.key) || "";

  function likeAttributes(old, fresh) {
    for (const { name } of [...old.attributes]) {
      // what a person unfolded stays so
      const isHis = name === "aria-busy" || (name === "open" && old.nodeName === "DETAILS");
      if (!fresh.hasAttribute(name) && !isHis) old.removeAttribute(name);
    }
    for (const { name, value } of [...fresh.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  }

  function like(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
      old.replaceWith(fresh);
      return;
    }
    if (old.nodeType !== 1) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    if (old.hasAttribute("data-still") || old.isEqualNode(fresh)) return;
    likeAttributes(old, fresh);
    const keyed = new Map();
    for (const child of old.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
    let at = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const key = keyOf(child);
      const known = key ? keyed.get(key) : null;
      if (known) {
        keyed.delete(key);
        if (known === at) at = at.nextSibling;
        else old.insertBefore(known, at);
        like(known, child);
      } else if (!key && at && !keyOf(at)) {
        const next = at.nextSibling;
        like(at, child);
        at = next;
      } else {
        old.insertBefore(child, at);
      }
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
    for (const left of keyed.values()) if (left.parentNode === old) left.remove();
  }

  

  function again(wait) {
    clearTimeout(timer);
    if (!document.hidden && live()) timer = setTimeout(look, wait);
  }

  async function look() {
    if (asking) return asking;
    asking = fresh().finally(() => { asking = null; });
    return asking;
  }

  async function fresh() {
    clearTimeout(timer);
    const here = new URL(location.href);
    here.hash = "";
    here.searchParams.set("only", "live");
    let wait = 2000;
    try {
      const answer = await fetch(here, { signal: AbortSignal.timeout(20000), cache: "no-store" });
      if (answer.status === 404) {
        // cancelled, deleted, or forgotten one day: it will not come back
        line.classList.add("bad");
        line.textContent = "What stands here is not there any more.";
        return;
      }
      if (!answer.ok) throw new Error(answer.status === 401 || answer.status === 403 ? "denied" : "trouble");
      const came = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      if (!came) throw new Error("trouble");
      like(live(), came);
      document.title = live().dataset.title;
      wait = Number(live().dataset.again) || wait;
      if (failures) line.textContent = "";
      line.classList.remove("bad");
      failures = 0;
    } catch (error) {
      failures += 1;
      wait = Math.min(2000 * 2 ** failures, LONGEST_MS);
      // one look may fall into a restart
      if (failures > 1) {
        line.classList.add("bad");
        line.textContent = error.message === "denied"
          ? "The daemon does not let this page in any more. Load it again."
          : "The daemon does not answer. What stands here may be old.";
      }
    }
    again(wait);
  }

  

  function show(answer) {
    const field = document.getElementById("link-url");
    document.getElementById("link-said").textContent = answer.said;
    field.value = answer.link;
    document.getElementById("link").showModal();
    field.select();
  }

  // where the keyboard goes on when its button went with its row: what stood around it
  function near(places) {
    if (document.activeElement && document.activeElement !== document.body) return;
    const left = places.find((each) => each.isConnected) || document.getElementById("main");
    const stop = left.matches("button") ? left : left.querySelector("h1, h2") || left;
    if (!stop.matches("button")) stop.setAttribute("tabindex", "-1");
    stop.focus();
  }

  async function act(button, target) {
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    const row = button.closest("[data-key]:not(button)");
    const places = [button, row && row.querySelector("button[data-target]"), button.closest("section")].filter(Boolean);
    let isDone = false;
    try {
      const path = target.split("/").map(encodeURIComponent).join("/");
      // whole: an address with a password in it is no base for a script's call
      const answer = await fetch(`${location.origin}/page/${path}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Page-Token": document.querySelector("[data-token]").dataset.token },
        body: "{}",
        signal: AbortSignal.timeout(60000),
      });
      const tree = await answer.json();
      isDone = answer.ok;
      if (!answer.ok) say(tree.hint ? `${tree.message}: ${tree.hint}` : tree.message, true);
      else if (tree.link) show(tree);
      else say(tree.said, false);
    } catch {
      say("The daemon did not answer. Look whether it was done before you ask again.", true);
    } finally {
      button.removeAttribute("aria-busy");
    }
    if (live()) {
      await asking;
      await look();
    } else if (isDone) {
      // a view that is never asked for again: what can be asked now is not known
      button.parentElement.remove();
    }
    near(places);
  }

  // the view changes below an open question: what was asked about is what is done
  let asked = null;
  const box = document.getElementById("ask");

  function ask(button) {
    asked = { button, target: button.dataset.target };
    document.getElementById("ask-title").textContent = button.dataset.title;
    document.getElementById("ask-text").textContent = button.dataset.text;
    document.getElementById("ask-yes").textContent = button.dataset.yes;
    box.returnValue = "";
    box.showModal();
  }

  box.addEventListener("close", () => {
    const { button, target } = asked;
    if (box.returnValue === "yes") act(button, target);
    else near([button, button.closest("section")].filter(Boolean));
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-target]");
    if (!button || button.getAttribute("aria-busy")) return;
    if (button.dataset.title) ask(button);
    else act(button, button.dataset.target);
  });

  document.getElementById("link-copy").addEventListener("click", async () => {
    const field = document.getElementById("link-url");
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      say("Copied.", false);
    } catch {
      say("Press Ctrl+C to copy what is selected.", false);
    }
  });

  // what was shown once is not kept
  document.getElementById("link").addEventListener("close", () => {
    document.getElementById("link-url").value = "";
  });

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else if (live()) look();
  });

  root.classList.add("js");
  if (live()) again(Number(live().dataset.again) || 2000);
})();
