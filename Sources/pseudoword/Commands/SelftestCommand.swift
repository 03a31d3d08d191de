// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Tensors
import TextualInversion

struct SelftestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "selftest", abstract: "Computes fixed numbers on this machine and says which determinism class it belongs to.",
        discussion: """
            Machines of one class give the same bits. The class is a digest over the results of every kind of kernel; a trial stays within one \
            class unless its study says determinism: mixed.
            """)

    @OptionGroup var compute: ComputeOptions
    @Flag(help: "Print the class only.") var digest = false

    func run() throws {
        compute.apply()
        let value = NumericsClass.digest()
        if digest { return print(value) }
        print("class \(value)")
        print(Program.computeDescription)
    }
}
