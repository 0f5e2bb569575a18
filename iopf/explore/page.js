"use strict";
// One script for all failures of a page. Everything that it shows is text of the page or of the data block: nothing is
// fetched, and no text becomes markup.
(() => {
  const sources = JSON.parse(document.getElementById("iopf-sources").textContent);
  const SVG = "http://www.w3.org/2000/svg";

  function make(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  class View {
    constructor(section) {
      this.section = section;
      this.trace = section.querySelector(".trace");
      this.detail = section.querySelector("aside");
      this.svg = this.trace.querySelector("svg");
      this.rows = new Map();
      for (const row of section.querySelectorAll("tr.step")) this.rows.set(Number(row.dataset.step), row);
      this.chosen = null;
      this.arrows = "chosen";
      this.every = false;
      section.querySelector(".tools").hidden = false;
      this.detail.hidden = false;
      section.addEventListener("click", (event) => this.click(event));
      this.trace.addEventListener("keydown", (event) => this.key(event));
      new ResizeObserver(() => this.draw()).observe(this.trace);
      const first = section.querySelector("tr.end") || section.querySelector("tr.step:not([hidden])");
      if (first) this.choose(first, false);
    }

    visible() {
      return [...this.rows.values()].filter((row) => !row.hidden);
    }

    click(event) {
      const link = event.target.closest("a[data-step]");
      const button = event.target.closest("button");
      const row = event.target.closest("tr.step");
      if (link) {
        event.preventDefault();
        this.show(Number(link.dataset.step));
      } else if (button && button.dataset.fold) this.fold(button);
      else if (button && button.dataset.does === "arrows") this.toggleArrows(button);
      else if (button && button.dataset.does === "every") this.toggleEvery(button);
      else if (row) this.choose(row, true);
    }

    key(event) {
      if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("button, a")) return;
      const rows = this.visible();
      const at = rows.indexOf(this.chosen);
      const own = this.chosen && this.chosen.dataset.column;
      let to = null;
      if (event.key === "ArrowDown" || event.key === "j") to = rows[at + 1];
      else if (event.key === "ArrowUp" || event.key === "k") to = rows[at - 1];
      else if (event.key === "Home") to = rows[0];
      else if (event.key === "End") to = rows[rows.length - 1];
      else if (event.key === "n") to = rows.slice(at + 1).find((row) => row.dataset.column === own);
      else if (event.key === "p") to = rows.slice(0, Math.max(at, 0)).reverse().find((row) => row.dataset.column === own);
      else if (event.key === "a") this.toggleArrows(this.section.querySelector("[data-does=arrows]"));
      else if (event.key === "e") this.toggleEvery(this.section.querySelector("[data-does=every]"));
      else return;
      event.preventDefault();
      if (to) this.choose(to, true);
    }

    // The row of a step, whatever it is hidden by.
    show(step) {
      const row = this.rows.get(step);
      if (!row) return;
      if (row.hidden && row.dataset.in) {
        const button = this.section.querySelector(`button[data-fold="${row.dataset.in}"]`);
        if (button && button.getAttribute("aria-expanded") === "false") this.fold(button);
      }
      if (row.hidden) this.toggleEvery(this.section.querySelector("[data-does=every]"));
      this.choose(row, true);
    }

    fold(button) {
      const open = button.getAttribute("aria-expanded") === "false";
      button.setAttribute("aria-expanded", String(open));
      this.settle();
    }

    toggleEvery(button) {
      this.every = !this.every;
      button.setAttribute("aria-pressed", String(this.every));
      this.settle();
    }

    toggleArrows(button) {
      this.arrows = this.arrows === "chosen" ? "all" : "chosen";
      button.setAttribute("aria-pressed", String(this.arrows === "all"));
      this.draw();
    }

    settle() {
      for (const row of this.rows.values()) {
        const button = row.dataset.in && this.section.querySelector(`button[data-fold="${row.dataset.in}"]`);
        row.hidden = row.classList.contains("more") ? !this.every : Boolean(button) && button.getAttribute("aria-expanded") === "false";
      }
      if (this.chosen && this.chosen.hidden) this.choose(this.visible()[0], false);
      this.draw();
    }

    choose(row, focus) {
      if (!row) return;
      if (this.chosen) {
        this.chosen.classList.remove("chosen");
        this.chosen.removeAttribute("aria-current");
        this.chosen.tabIndex = -1;
      }
      this.chosen = row;
      row.classList.add("chosen");
      row.setAttribute("aria-current", "step");
      row.tabIndex = 0;
      if (focus) {
        row.focus({ preventScroll: true });
        row.scrollIntoView({ block: "nearest" });
      }
      this.tell(row);
      this.draw();
    }

    // What is known of a step.
    tell(row) {
      const parts = [make("h3", `Step ${row.dataset.step}: ${row.dataset.task}`), make("p", row.dataset.text, "mono")];
      const facts = make("dl");
      const fact = (name, value) => {
        if (!value || (Array.isArray(value) && !value.length)) return;
        facts.append(make("dt", name));
        const said = make("dd");
        said.append(...(Array.isArray(value) ? value : [value]));
        facts.append(said);
      };
      const steps = (text) =>
        (text || "").split(" ").filter(Boolean).flatMap((step, index) => {
          const link = make("a", `step ${step}`);
          link.href = `#${this.section.id}-s${step}`;
          link.dataset.step = step;
          const other = this.rows.get(Number(step));
          return [...(index ? [", "] : []), link, other ? ` of ${other.dataset.task}` : ""];
        });
      fact("in", row.dataset.operation);
      fact("holds", row.dataset.held);
      fact("comes after", steps(row.dataset.follows));
      fact("comes before", steps(row.dataset.leads));
      fact("instead", row.dataset.others && `${row.dataset.others} could have run here`);
      fact("preempted", row.dataset.preempted);
      parts.push(facts);
      const place = row.dataset.file;
      if (place) {
        const line = Number(row.dataset.line);
        parts.push(make("p", `${place}:${line}${row.dataset.function ? `, in ${row.dataset.function}()` : ""}`, "quiet mono"));
        const lines = sources[place] || {};
        const around = make("pre");
        for (let number = line - 6; number <= line + 6; number++)
          if (lines[number] !== undefined)
            around.append(make("span", `${String(number).padStart(5)}  ${lines[number]}`, number === line ? "here" : ""));
        if (around.childNodes.length) {
          around.tabIndex = 0;
          around.setAttribute("aria-label", `source around line ${line}`);
          parts.push(around);
        }
      }
      this.detail.replaceChildren(...parts);
    }

    // --- arrows ---

    // Where a step is drawn: its own cell, or that of the fold which it is in.
    place(step) {
      const row = this.rows.get(step);
      if (!row) return null;
      let at = row;
      if (row.hidden && row.dataset.in) at = this.section.querySelector(`tr.fold[data-fold="${row.dataset.in}"]`);
      if (!at || at.hidden) return null;
      const cell = at.querySelector("td.mine");
      const box = cell.getBoundingClientRect();
      const base = this.trace.getBoundingClientRect();
      return {
        left: box.left - base.left + this.trace.scrollLeft,
        right: box.right - base.left + this.trace.scrollLeft,
        y: box.top - base.top + box.height / 2 + this.trace.scrollTop,
      };
    }

    arrow(from, to, className) {
      const a = this.place(from);
      const b = this.place(to);
      if (!a || !b || a.y === b.y) return;
      const right = b.left > a.left;
      const x1 = right ? Math.min(a.left + 190, a.right) : a.left + 4;
      const x2 = right ? b.left + 1 : Math.min(b.left + 190, b.right);
      const bend = Math.max(24, Math.abs(x2 - x1) / 2);
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", `M${x1},${a.y} C${x1 + (right ? bend : -bend)},${a.y} ${x2 + (right ? -bend : bend)},${b.y} ${x2},${b.y}`);
      path.setAttribute("marker-end", `url(#${this.section.id}-tip)`);
      if (className) path.setAttribute("class", className);
      path.dataset.from = from;
      path.dataset.to = to;
      this.svg.append(path);
    }

    draw() {
      for (const path of this.svg.querySelectorAll(":scope > path")) path.remove();
      this.svg.setAttribute("width", this.trace.scrollWidth);
      this.svg.setAttribute("height", this.trace.querySelector("table").offsetHeight);
      const mine = this.chosen && Number(this.chosen.dataset.step);
      for (const [step, row] of this.rows)
        for (const before of (row.dataset.follows || "").split(" ").filter(Boolean).map(Number)) {
          const chosen = step === mine || before === mine;
          if (chosen || this.arrows === "all") this.arrow(before, step, chosen ? "chosen" : "");
        }
      const pair = (this.section.dataset.pair || "").split(" ").filter(Boolean).map(Number);
      if (pair.length === 2) this.arrow(pair[0], pair[1], "culprit");
    }
  }

  const views = new Map();
  function open(section) {
    // One that is told as text alone has nothing to choose.
    if (section.querySelector(".trace") && !views.has(section)) views.set(section, new View(section));
  }

  // Of many failures one is shown: the one that the address names.
  const sections = [...document.querySelectorAll("section.failure")];
  const many = document.body.dataset.many === "true";
  function follow() {
    const name = decodeURIComponent(location.hash.slice(1));
    const wanted = sections.find((section) => name === section.id || name.startsWith(`${section.id}-s`));
    for (const section of sections) section.hidden = many && section !== wanted;
    document.body.classList.toggle("reading", many && Boolean(wanted));
    if (!many) sections.forEach(open);
    else if (wanted) {
      open(wanted);
      scrollTo(0, 0);
    }
    const step = /-s(\d+)$/.exec(name);
    if (step && views.has(wanted)) views.get(wanted).show(Number(step[1]));
    for (const section of sections) if (!section.hidden && views.has(section)) views.get(section).draw();
  }
  addEventListener("hashchange", follow);
  follow();
})();
