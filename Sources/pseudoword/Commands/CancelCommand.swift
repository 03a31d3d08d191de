// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Fleet

struct CancelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Ends a study; what it has learned so far stays.")

    @Argument(help: "The study's name.") var study: String
    @OptionGroup var connection: CoordinatorOption

    func run() throws {
        let result = try connection.client().cancel(study: study)
        print(
            result.hadEnded
                ? "study \(result.name) had ended already" : "cancelled study \(result.name), \(result.cancelledTrials) unfinished trials")
    }
}
