/** A film in the viewer. It plays from the moment that was found, if the browser can play it. */

import { fileUrl, thumbnailUrl, whyMissing } from "./api.js";
import { element } from "./dom.js";
import { fileName, momentText, photoTitle } from "./format.js";

/** @typedef {import("./api.js").Photo} Photo */

/**
 * The player, which starts at the photo's moment, or at the beginning.
 * @param {Photo} photo
 * @param {(what: HTMLElement[]) => void} replace called with what to show instead, if the film cannot be played
 */
export function filmPlayer(photo, replace) {
  const start = photo.moment?.at ?? 0;
  const video = element("video", {
    class: "full", controls: true, playsinline: true, preload: "metadata", tabindex: "0", "aria-label": photoTitle(photo),
    poster: thumbnailUrl(photo.id, 1024), src: fileUrl(photo.id),
  });
  const fail = async () => {
    if (!video.isConnected) return;
    replace(await instead(photo));
  };
  video.addEventListener("error", fail);
  video.addEventListener("loadedmetadata", () => {
    if (video.videoWidth === 0) fail(); // browsers play the sound of a film whose pictures they cannot decode
    else video.currentTime = start;
  });
  return video;
}

/** Play a film, or pause it. @param {HTMLVideoElement} video */
export function playOrPause(video) {
  if (video.paused) video.play().catch(() => {}); // the "error" event says why
  else video.pause();
}

/** End a film's download. @param {ParentNode} frame */
export function stopFilms(frame) {
  for (const video of frame.querySelectorAll("video")) {
    video.pause();
    video.remove();
    video.removeAttribute("src");
    video.load();
  }
}

/** What is shown in place of a film: its picture, and why. @param {Photo} photo */
async function instead(photo) {
  const why = await whyMissing(fileUrl(photo.id));
  const picture = element("img", { src: thumbnailUrl(photo.id, 1024), alt: photoTitle(photo), class: "full", draggable: "false" });
  if (why) return [picture, element("p", { class: "unplayable", role: "status" }, why)];
  const when = photo.moment ? ` This is its picture ${momentText(photo)}.` : "";
  const text = `This browser cannot play this ${photo.format} film.${when} `;
  return [picture, element("p", { class: "unplayable", role: "status" }, text, element("a", { href: fileUrl(photo.id), download: fileName(photo.path) }, "Download it"), " to play it in another program.")];
}
