/* Jobs and versions: what is trained, and which model answers. */
import { Empty, Table, html } from "../../parts.js";
import { refresh } from "../../state.js";
import { useEffect, useState } from "../../vendor/hooks.js";
import { words } from "../../words.js";
import { Asked, SureButton, useAnswer, when } from "./asking.js";

const SOON = 2000; /* milliseconds until jobs that go on are asked about again */
const isOpen = (job) => job.state === "waiting" || job.state === "running";

function Log({ job }) {
  const of = useAnswer("jobs", { job });
  return html`<${Asked} of=${of}>${({ jobs: [one] }) => html`<pre class="log" tabindex="0" aria-label=${words.scenes.jobs.logOf(job)}>${one.log || words.scenes.jobs.noLog}</pre>`}<//>`;
}

function Progress({ job }) {
  const w = words.scenes.jobs;
  if (!isOpen(job)) return w.states[job.state];
  return html`${w.states[job.state]} <progress max="1" value=${job.progress} aria-label=${w.progress(job.job)}></progress>
    ${job.cancel_asked && w.stopping}`;
}

export function Jobs() {
  const of = useAnswer("jobs", { n: 20 });
  const [shown, setShown] = useState(null);
  const w = words.scenes.jobs;
  const open = of.answer?.jobs.some(isOpen);
  useEffect(() => {
    if (!open) return undefined;
    const timer = setTimeout(of.again, SOON);
    return () => clearTimeout(timer);
  }, [open, of.answer]);
  const row = (job) => [
    String(job.job), job.kind, html`<${Progress} job=${job} />`, when(job.started ?? job.created), when(job.ended),
    html`<button type="button" aria-expanded=${shown === job.job} onClick=${() => setShown(shown === job.job ? null : job.job)}>${w.log}<span class="unseen"> ${w.ofJob(job.job)}</span></button>
      ${isOpen(job) && !job.cancel_asked && html`<${SureButton} label=${w.cancel(job.job)} yes=${w.cancelYes} question=${w.cancelSure(job.job)} path="jobs/cancel" body=${{ job: job.job }} done=${w.cancelled} then=${of.again} />`}`,
  ];
  return html`<p><${SureButton} label=${w.start} yes=${w.startYes} question=${w.startSure} path="jobs" body=${{ kind: "retrain" }} done=${w.started} then=${of.again} disabled=${open} /></p>
    <${Asked} of=${of}>${({ jobs }) => (jobs.length ? html`
      <${Table} caption=${w.caption} columns=${w.columns.map((title) => ({ title }))} rows=${jobs.map(row)} />
      ${shown !== null && html`<${Log} key=${shown} job=${shown} />`}` : html`<${Empty}>${w.none}<//>`)}<//>`;
}

export function Versions() {
  const of = useAnswer("versions");
  const w = words.scenes.versions;
  const switched = () => (of.again(), refresh()); /* purposes may lead to another version now */
  const row = (version) => [
    String(version.version), version.model, w.states[version.state] ?? version.state, when(version.trained),
    version.verdict ? version.verdict.why : (version.error ?? "–"),
    version.state === "ready" || version.state === "retired"
      ? html`<${SureButton} label=${w.activate(version.version)} yes=${w.activateYes} question=${w.activateSure(version.version, version.model)} path="versions/activate" body=${{ version: version.version }} done=${w.activated(version.version)} then=${switched} />`
      : "",
  ];
  return html`<${Asked} of=${of}>${({ versions }) => (versions.length ? html`
    <p><${SureButton} label=${w.back} yes=${w.backYes} question=${w.backSure} path="versions/rollback" done=${w.backDone} then=${switched} /></p>
    <${Table} caption=${w.caption} columns=${w.columns.map((title) => ({ title }))} rows=${versions.map(row)} />`
    : html`<${Empty}>${w.none}<//>`)}<//>`;
}
