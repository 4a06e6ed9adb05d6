//! The output of an on-change command in the log: standard output at `info`, standard error at
//! `warn`, line by line. Long lines are truncated, and lines beyond a limit are dropped.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tracing::Level;

/// Longer lines are truncated.
const MAX_LINE: usize = 1000;

/// Further lines of one run are counted and dropped.
const MAX_LINES: usize = 100;

/// The source of the output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hook<'a> {
    /// The name of the watch.
    pub(super) watch: &'a str,
    /// The name of the action.
    pub(super) action: &'a str,
}

/// Logs every line of `output` until its end. The first line goes to `first` as well.
pub(super) async fn copy(
    output: Option<impl AsyncRead + Unpin>,
    hook: Hook<'_>,
    level: Level,
    mut first: Option<&mut String>,
) {
    let Some(output) = output else { return };
    let mut output = BufReader::new(output);
    let (mut line, mut lines, mut cut) = (Vec::new(), 0_usize, false);
    loop {
        // A read error ends the output.
        let chunk = output.fill_buf().await.unwrap_or_default();
        let is_end = chunk.is_empty();
        let newline = chunk.iter().position(|byte| *byte == b'\n');
        let text = &chunk[..newline.unwrap_or(chunk.len())];
        let room = MAX_LINE.saturating_sub(line.len()).min(text.len());
        cut |= room < text.len();
        line.extend_from_slice(&text[..room]);
        let used = newline.map_or(chunk.len(), |at| at + 1);
        output.consume(used);
        if newline.is_none() && !is_end {
            continue;
        }
        let text = printable(&line, cut);
        if !text.is_empty() {
            lines += 1;
            if lines <= MAX_LINES {
                if let Some(first) = first.take() {
                    first.clone_from(&text);
                }
                log(hook, level, &text);
            }
        }
        (line, cut) = (Vec::new(), false);
        if is_end {
            break;
        }
    }
    if lines > MAX_LINES {
        log(
            hook,
            level,
            &format!("{} more lines of output are dropped", lines - MAX_LINES),
        );
    }
}

fn log(hook: Hook<'_>, level: Level, text: &str) {
    let Hook { watch, action } = hook;
    if level == Level::INFO {
        tracing::info!(watch, action, "{text}");
    } else {
        tracing::warn!(watch, action, "{text}");
    }
}

/// The line without characters that a terminal acts on.
fn printable(line: &[u8], cut: bool) -> String {
    let text = String::from_utf8_lossy(line).replace('\t', " ");
    let mut text = cloud_autojoin::escape::printable(text.trim());
    if cut {
        text.push_str(" ...");
    }
    text
}
