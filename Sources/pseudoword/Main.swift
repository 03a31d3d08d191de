// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation

@main
struct Main {
    static func main() {
        // A reader that goes away (head, less) is no error worth a stack trace.
        signal(SIGPIPE, SIG_DFL)
        do {
            var command = try Pseudoword.parseAsRoot()
            try command.run()
        } catch {
            exit(report(error).rawValue)
        }
    }

    /// Prints what there is to say about the error that ended the command.
    private static func report(_ error: any Error) -> ExitStatus {
        if let failure = error as? CommandLineError {
            complain(failure.description)
            return failure.status
        }
        let code = Pseudoword.exitCode(for: error)
        let text = Pseudoword.fullMessage(for: error)
        if code == .success {
            print(text)
            return .done
        }
        if code == .validationFailure {
            FileHandle.standardError.write(Data((text + "\n").utf8))
            return .usage
        }
        if let status = (error as? ExitCode).flatMap({ ExitStatus(rawValue: $0.rawValue) }) { return status }
        complain("\(error)")
        return .failed
    }

    private static func complain(_ line: String) { FileHandle.standardError.write(Data(("pseudoword: " + line + "\n").utf8)) }
}

struct Pseudoword: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pseudoword",
        abstract: "Teaches Stable Diffusion a new word from a few pictures, on the Linux boxes you already own.",
        version: Program.version,
        subcommands: [ModelCommand.self, BenchCommand.self])
}
