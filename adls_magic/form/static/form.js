// The form as the browser shows it. Which methods and fields there are comes from the kernel
// (`methods`, `fields`), as does what happens (`state`).
//
// Whatever is in a widget's model is saved with the notebook. So the text of the secret field
// never enters it: it goes to the kernel once, in the message that Connect sends, and the field
// is emptied. Other fields enter the model (`values`) only when their text follows their rule,
// so that a key pasted into the wrong field stays in the browser.

const LOOKS_SECRET =
  /(^|[?&])sig=|AccountKey\s*=|SharedAccessSignature\s*=|[A-Za-z0-9+/]{86}==|eyJ[\w-]+\.[\w-]+\./i;
const ONE_LAKE = /\.fabric\.microsoft\.com/;
const NO_ANSWER = 2000; // milliseconds until the form says that the kernel is silent
let views = 0;

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function matches(pattern, text) {
  return !pattern || new RegExp(`^(?:${pattern})$`).test(text);
}

class Field {
  constructor(name, spec, id) {
    this.name = name;
    this.spec = spec;
    this.touched = false;
    this.free = false; // no rule holds
    this.hint = make("div", { className: "adls-hint", id: `${id}-hint` });
    this.input = make("input", {
      id,
      name,
      type: spec.secret ? "password" : "text",
      // "new-password" keeps browsers from filling in the password of the Jupyter server.
      autocomplete: spec.secret ? "new-password" : "off",
      spellcheck: false,
      autocapitalize: "off",
    });
    this.input.setAttribute("aria-describedby", this.hint.id);
    this.label = make("label", { htmlFor: id });
    this.row = make("div", { className: "adls-row" }, this.label, this.input, this.hint);
    if (spec.suggests) this.suggest(id);
  }

  suggest(id) {
    this.list = make("datalist", { id: `${id}-list` });
    this.input.setAttribute("list", this.list.id);
    this.row.append(this.list);
  }

  get text() {
    return this.input.value.trim();
  }

  // What is wrong with the text: "" nothing, otherwise a sentence.
  problem(complete) {
    const { spec, text } = this;
    if (!text) return "";
    if (!spec.secret && LOOKS_SECRET.test(text)) return "This looks like a secret. It stays here unsent; put it into the secret field.";
    if (this.free) return "";
    const unfinished = !complete && spec.characters && matches(spec.characters, text);
    return unfinished || matches(spec.pattern, text) ? "" : spec.rule;
  }

  show(spec, note) {
    this.spec = spec;
    this.label.textContent = spec.label;
    this.input.placeholder = note || spec.placeholder || "";
    if (this.list) {
      this.list.replaceChildren(...(spec.options ?? []).map((value) => make("option", { value })));
    }
    this.check();
  }

  check() {
    const problem = this.problem(this.touched);
    this.hint.textContent = problem || this.spec.hint || this.spec.rule;
    this.row.classList.toggle("adls-wrong", problem !== "");
    this.input.setAttribute("aria-invalid", String(problem !== ""));
  }
}

function line([label, value, origin]) {
  const description = make("dd", {}, value, make("small", { textContent: origin }));
  return make("div", {}, make("dt", { textContent: label }), description);
}

class Form {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.id = `adls-${++views}-${Math.random().toString(36).slice(2)}`;
    this.asked = false; // this view sent something that the kernel has not taken up yet
    this.mine = false; // what the kernel is busy with was asked for in this view
    this.build();
    this.update();
  }

  build() {
    const fields = this.model.get("fields");
    this.fields = new Map(
      Object.entries(fields).map(([name, spec]) => [name, new Field(name, spec, `${this.id}-${name}`)]),
    );
    this.methods = make("div", { className: "adls-methods" });
    this.methods.setAttribute("role", "radiogroup");
    this.methods.setAttribute("aria-label", "Way to connect");
    this.note = make("p", { className: "adls-note" });
    this.status = make("div", { className: "adls-status" });
    this.status.setAttribute("role", "status");
    this.connect = make("button", { type: "submit", className: "adls-main", textContent: "Connect" });
    this.stop = this.button("Stop", () => this.model.send({ do: "stop" }));
    this.card = this.cardParts();
    this.remember = this.rememberRow();
    const detail = make("div", { className: "adls-detail" }, this.note, ...this.rows());
    const choice = make("div", { className: "adls-choice" }, this.methods, detail);
    this.actions = make("div", { className: "adls-actions" }, this.connect, this.stop);
    this.form = make("form", { noValidate: true, autocomplete: "off" }, choice, this.actions);
    this.root.classList.add("adls-form");
    this.root.append(this.card, this.form);
    this.listen();
  }

  cardParts() {
    this.title = make("strong");
    this.change = this.button("Change", () => this.model.send({ do: "change" }));
    this.forget = this.button("Forget", () => this.model.send({ do: "forget" }));
    const head = make("div", { className: "adls-head" }, this.title, this.change, this.forget);
    this.lines = make("dl");
    return make("div", { className: "adls-card" }, head, this.lines);
  }

  rows() {
    const all = [...this.fields.values()];
    const row = (field) => field.row;
    const more = all.filter((field) => field.spec.more);
    this.more = make("details", {}, make("summary", { textContent: "Other endpoint" }), ...more.map(row));
    const last = this.fields.get("profile");
    const main = all.filter((field) => !field.spec.more && field !== last);
    return [...main.map(row), this.more, this.remember, last.row];
  }

  button(text, action) {
    const button = make("button", { type: "button", textContent: text });
    button.addEventListener("click", action);
    return button;
  }

  // «Remember as profile», what will be stored where, and the consent that a secret in a file needs.
  rememberRow() {
    this.where = make("div", { className: "adls-hint" });
    this.tick = this.checkbox("remember", "Remember as profile");
    this.consent = this.checkbox("consent", "");
    const ticks = make("div", {}, this.tick.row, this.where, this.consent.row);
    return make("div", { className: "adls-row" }, make("span"), ticks);
  }

  checkbox(name, text) {
    const input = make("input", { type: "checkbox", id: `${this.id}-${name}` });
    const label = make("label", { htmlFor: input.id, textContent: text });
    input.addEventListener("change", () => this.update());
    return { input, label, row: make("div", { className: "adls-tick" }, input, label) };
  }

  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    // JupyterLab's shortcuts must not act on what is typed here; Ctrl+S and the like may.
    this.root.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
    });
    for (const field of this.fields.values()) {
      field.input.addEventListener("input", () => field.check());
      field.input.addEventListener("change", () => this.leave(field));
    }
  }

  get method() {
    const methods = this.model.get("methods");
    const chosen = this.model.get("values").method;
    return methods.find((method) => method.name === chosen) ?? methods[0];
  }

  get remembers() {
    return this.tick.input.checked && Boolean(this.method.remember);
  }

  get shownFields() {
    const names = new Set(this.method.fields);
    if (this.remembers) names.add("profile");
    return [...this.fields.values()].filter((field) => names.has(field.name));
  }

  // A field was left: its text becomes part of the model if it may.
  leave(field) {
    field.touched = true;
    field.check();
    if (!field.spec.secret && field.problem(true) === "") this.keep({ [field.name]: field.text });
  }

  keep(values) {
    this.model.set("values", { ...this.model.get("values"), ...values });
    this.model.save_changes();
  }

  choose(name) {
    this.emptySecret();
    this.keep({ method: name });
  }

  emptySecret() {
    for (const field of this.fields.values()) {
      if (field.spec.secret) field.input.value = "";
    }
  }

  submit() {
    if (this.model.get("state").busy || this.asked) return;
    const wrong = this.shownFields.find((field) => field.problem(true) !== "" && !field.spec.secret);
    if (wrong) {
      this.leave(wrong);
      wrong.input.focus();
      return;
    }
    const consent = this.consent.input.checked && !this.consent.row.hidden;
    const values = { method: this.method.name, consent: consent ? "yes" : "" };
    let secret = "";
    for (const field of this.shownFields) {
      if (field.spec.secret) secret = field.text;
      else values[field.name] = field.text;
    }
    this.emptySecret();
    this.ask({ do: "connect", values }, secret);
  }

  ask(message, secret) {
    this.asked = this.mine = true;
    // As a buffer beside the message: messages are logged in places, buffers are not.
    this.model.send(message, undefined, secret ? [new TextEncoder().encode(secret)] : []);
    this.update();
    this.timer = setTimeout(() => {
      const text = "No answer from the kernel yet. It may be busy with a cell; if it was restarted, run %adls_config again.";
      if (this.asked) this.say("warning", text);
    }, NO_ANSWER);
  }

  // The kernel has changed the state: look at it, and go where the user has to go on.
  answered() {
    clearTimeout(this.timer);
    this.asked = false;
    this.update();
    const { busy, open, status } = this.model.get("state");
    if (busy || !this.mine) return;
    this.mine = false;
    (open ? this.fields.get(status.field)?.input : this.change)?.focus();
  }

  say(kind, text) {
    this.status.className = `adls-status adls-${kind}`;
    this.status.textContent = text;
  }

  update() {
    const state = this.model.get("state");
    const busy = state.busy || this.asked;
    this.showMethods();
    this.showFields(state);
    this.showCard(state.card, state.open, busy);
    if (!state.open) this.emptySecret();
    this.form.hidden = !state.open;
    (state.open ? this.actions : this.card).append(this.status);
    this.connect.disabled = busy;
    this.connect.textContent = busy ? "Connecting…" : "Connect";
    this.stop.hidden = !state.busy;
    this.root.classList.toggle("adls-busy", busy);
    this.root.setAttribute("aria-busy", String(busy));
    if (this.asked) this.say("info", "");
    else this.say(state.status.kind, state.status.text);
  }

  showMethods() {
    const methods = this.model.get("methods");
    if (this.drawn !== JSON.stringify(methods)) {
      this.drawn = JSON.stringify(methods);
      this.methods.replaceChildren(...methods.map((method) => this.radio(method)));
    }
    for (const input of this.methods.querySelectorAll("input")) {
      input.checked = input.value === this.method.name;
    }
  }

  radio({ name, label, hint }) {
    const input = make("input", { type: "radio", name: `${this.id}-method`, value: name });
    input.addEventListener("change", () => this.choose(name));
    const text = make("span", {}, label, make("small", { textContent: hint ?? "" }));
    return make("label", {}, input, text);
  }

  showFields(state) {
    const fields = this.model.get("fields");
    const values = this.model.get("values");
    const shown = new Set(this.shownFields);
    // Workspaces of OneLake, which are its filesystems, may be called nearly anything.
    this.fields.get("filesystem").free = ONE_LAKE.test(this.fields.get("endpoint").text);
    this.note.textContent = this.method.note ?? "";
    for (const [name, field] of this.fields) {
      const spec = { ...fields[name], ...(field.spec.secret ? this.method.secret : {}) };
      spec.options = state.suggestions[name];
      field.row.hidden = !shown.has(field);
      field.show(spec, field.spec.secret ? state.kept[this.method.name] : "");
      // The text that somebody is typing in this view is not replaced.
      const typing = document.activeElement === field.input;
      if (!typing && !field.spec.secret && name in values && field.problem(true) === "") {
        field.input.value = values[name];
      }
    }
    this.more.hidden = !this.shownFields.some((field) => field.spec.more);
    if ([...shown].some((field) => field.spec.more && field.text)) this.more.open = true;
    this.remember.hidden = !this.method.remember;
    this.where.textContent = this.remembers ? this.method.remember : "";
    this.consent.row.hidden = !this.remembers || !this.method.consent;
    this.consent.label.textContent = this.method.consent ?? "";
  }

  // Who is connected, or that nobody is.
  showCard({ title, lines, forget }, open, busy) {
    this.title.textContent = title;
    this.lines.replaceChildren(...lines.map(line));
    this.change.hidden = open;
    this.forget.hidden = !forget;
    this.change.disabled = this.forget.disabled = busy;
    this.card.classList.toggle("adls-in-use", lines.length > 0);
  }

  // The kernel is gone: nothing typed here can reach it any more.
  dead() {
    clearTimeout(this.timer);
    this.emptySecret();
    for (const node of this.root.querySelectorAll("input, button")) node.disabled = true;
    this.say("warning", "The kernel was restarted. Run %adls_config again.");
  }
}

function render({ model, el }) {
  const form = new Form(model, el);
  model.on("change:values", () => form.update());
  model.on("change:methods", () => form.update());
  model.on("change:state", () => form.answered());
  model.on("comm_live_update", function () {
    if (this?.model?.comm_live === false) form.dead();
  });
  return () => {
    clearTimeout(form.timer);
    form.emptySecret();
  };
}

export default { render };
