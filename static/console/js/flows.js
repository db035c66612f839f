// The list of flows, kept up to date.

import { load } from "./parts.js";
import { watch } from "./watch.js";

const NAMES = [
  "flow_started", "flow_completed", "flow_failed", "flow_deactivated", "flow_paused",
  "flow_resumed", "flow_cancelled", "flow_compensation_started",
];

if (document.querySelector("[data-watch]")) {
  watch({ streams: [["flow"]], names: NAMES, refresh: () => load(location.href) });
}
