// Puts a received video frame on a canvas: as it is, or person and matte joined to a picture with real transparency.
// Knows nothing of where the video comes from. See `rtc/layouts.py` for what the server makes.

export type Layout = "plain" | "side-by-side";

export interface Painter {
  /** How it works, for people. */
  readonly name: string;
  readonly canvas: HTMLCanvasElement;
  /** Draws the frame that the video shows now; false if it cannot (any more). */
  draw(video: HTMLVideoElement, layout: Layout): boolean;
}

/** What codecs leave of "nothing" and "all": a matte within this of either end is taken for it. */
const SLACK = 0.022;

const VERTICES = `
attribute vec2 corner;
varying vec2 at;
void main() {
  at = vec2(corner.x + 1.0, 1.0 - corner.y) * 0.5;
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

const PIXELS = `
precision highp float;
varying vec2 at;
uniform sampler2D frame;
uniform vec2 texel;
uniform float beside;
uniform float slack;
void main() {
  if (beside == 0.0) {
    gl_FragColor = vec4(texture2D(frame, at).rgb, 1.0);
    return;
  }
  float x = clamp(at.x * 0.5, 0.5 * texel.x, 0.5 - 0.5 * texel.x);
  vec3 colour = texture2D(frame, vec2(x, at.y)).rgb;
  // The weights of luma: chroma, which is coarse and may bleed over from the other half, cancels out.
  float luma = dot(texture2D(frame, vec2(x + 0.5, at.y)).rgb, vec3(0.299, 0.587, 0.114));
  float cover = clamp((luma - slack) / (1.0 - 2.0 * slack), 0.0, 1.0);
  gl_FragColor = vec4(colour * cover, cover);
}`;

/** The best painter that works here; the canvas of the one before cannot be used again. */
export function openPainter(webgl: boolean): Painter {
  if (webgl) {
    try {
      return new GlPainter();
    } catch (error) {
      console.warn("visavis: no WebGL here, Canvas 2D draws", error);
    }
  }
  return new PlainPainter();
}

class GlPainter implements Painter {
  readonly name = "WebGL";
  readonly canvas = newCanvas();
  private readonly gl: WebGLRenderingContext;
  private readonly texel: WebGLUniformLocation | null;
  private readonly beside: WebGLUniformLocation | null;

  constructor() {
    const gl = this.canvas.getContext("webgl", { alpha: true, premultipliedAlpha: true, antialias: false, depth: false });
    if (gl === null) throw new Error("WebGL is not available");
    this.gl = gl;
    // Without this a lost context would never come back; we make a new painter anyway.
    this.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    const program = link(gl);
    gl.useProgram(program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const [name, value] of [
      [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE],
      [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
      [gl.TEXTURE_MIN_FILTER, gl.NEAREST],
      [gl.TEXTURE_MAG_FILTER, gl.NEAREST],
    ] as const) {
      gl.texParameteri(gl.TEXTURE_2D, name, value);
    }
    gl.disable(gl.BLEND);
    this.texel = gl.getUniformLocation(program, "texel");
    this.beside = gl.getUniformLocation(program, "beside");
    gl.uniform1f(gl.getUniformLocation(program, "slack"), SLACK);
  }

  draw(video: HTMLVideoElement, layout: Layout): boolean {
    const { gl } = this;
    if (gl.isContextLost()) return false;
    fit(this.canvas, video, layout);
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, video);
    gl.uniform2f(this.texel, 1 / video.videoWidth, 1 / video.videoHeight);
    gl.uniform1f(this.beside, layout === "side-by-side" ? 1 : 0);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    return !gl.isContextLost();
  }
}

/** Without a graphics card: the same sums by hand, some milliseconds a frame. */
class PlainPainter implements Painter {
  readonly name = "Canvas 2D";
  readonly canvas = newCanvas();
  private readonly context = this.canvas.getContext("2d");
  private readonly whole = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  draw(video: HTMLVideoElement, layout: Layout): boolean {
    const { canvas, context, whole } = this;
    if (context === null || whole === null) return false;
    fit(canvas, video, layout);
    if (layout === "plain") {
      context.drawImage(video, 0, 0);
      return true;
    }
    const { width, height } = canvas;
    if (whole.canvas.width !== 2 * width || whole.canvas.height !== height) Object.assign(whole.canvas, { width: 2 * width, height });
    whole.drawImage(video, 0, 0);
    context.putImageData(joined(whole.getImageData(0, 0, 2 * width, height)), 0, 0);
    return true;
  }
}

/** Person and matte, side by side, as one picture with alpha that is not multiplied in. */
export function joined(both: ImageData): ImageData {
  const width = both.width / 2;
  const out = new ImageData(width, both.height);
  const [from, to] = [new Uint32Array(both.data.buffer), new Uint32Array(out.data.buffer)];
  const bytes = both.data;
  for (let y = 0, n = 0; y < both.height; y += 1) {
    for (let x = 0; x < width; x += 1, n += 1) {
      const left = y * both.width + x;
      const right = 4 * (left + width);
      const luma = 0.299 * (bytes[right] ?? 0) + 0.587 * (bytes[right + 1] ?? 0) + 0.114 * (bytes[right + 2] ?? 0);
      const cover = Math.min(1, Math.max(0, (luma / 255 - SLACK) / (1 - 2 * SLACK)));
      // Little-endian, as every machine with a browser is: alpha is the highest byte.
      to[n] = ((from[left] ?? 0) & 0xffffff) | (Math.round(255 * cover) << 24);
    }
  }
  return out;
}

function newCanvas(): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.id = "avatar";
  return canvas;
}

/** The canvas has the picture's own pixels; style sheets bring it to the size of the page. */
function fit(canvas: HTMLCanvasElement, video: HTMLVideoElement, layout: Layout): void {
  const width = layout === "side-by-side" ? video.videoWidth >> 1 : video.videoWidth;
  if (canvas.width !== width || canvas.height !== video.videoHeight) Object.assign(canvas, { width, height: video.videoHeight });
}

function link(gl: WebGLRenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTICES], [gl.FRAGMENT_SHADER, PIXELS]] as const) {
    const shader = gl.createShader(kind);
    if (shader === null) throw new Error("no shader");
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, "corner");
  gl.linkProgram(program);
  if (gl.getProgramParameter(program, gl.LINK_STATUS) !== true) throw new Error(gl.getProgramInfoLog(program) ?? "no program");
  return program;
}
