// SPDX-License-Identifier: Apache-2.0

/// Text for a shell on another box.
package enum ShellText {
    /// One word of a POSIX shell that means exactly `text`.
    ///
    /// A NUL cannot stand in any shell word, and none comes from the callers' checked values.
    package static func quoted(_ text: String) -> String {
        precondition(!text.utf8.contains(0), "a shell word holds no NUL")
        return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
    }

    package static func words(_ texts: [String]) -> String { texts.map(quoted).joined(separator: " ") }

    /// The command line that reads `script` from its input and runs it; what follows the script there is the script's own input.
    ///
    /// Neither the script nor what it reads is seen in a list of processes. The line itself means the same in every login shell.
    /// `dd` takes one byte at a time, so not one more than the script's.
    package static func reader(of script: String) -> String {
        #"exec sh -c 'eval "$(dd bs=1 count="# + String(script.utf8.count) + #" 2>/dev/null)"'"#
    }
}
