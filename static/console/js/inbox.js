// The inbox: an event of any approval is the doorbell, the lists are then read again. They are
// asked for now and then only while there is no socket.

import { load } from "./parts.js";
import { watch } from "./watch.js";

watch({
  streams: [["approval"]],
  refresh: () => load(location.href),
  polls: "without-socket",
});
