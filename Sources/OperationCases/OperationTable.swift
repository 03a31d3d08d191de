// SPDX-License-Identifier: Apache-2.0

/// Every operation of `Tensors` at sizes that matter: one, odd, at the edges of blocks and groups, cut into several tasks, and real.
package enum OperationTable {
    package static let cases: [OperationCase] =
        OperationCase.linearCases + OperationCase.convolutionCases + OperationCase.normCases + OperationCase.attentionCases
        + OperationCase.elementCases

    /// The cases small enough for a plain reference.
    package static var checked: [OperationCase] { cases.filter { !$0.isLarge } }
}
