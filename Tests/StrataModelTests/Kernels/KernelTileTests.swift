// Owns that AMX tiles give the bits of AVX-512, so that few rows and many may take different kernels.
import CStrataKernels
import Testing

extension KernelFamilyTests {
  @Test("Tiles give the bits of AVX-512 wherever weights are quantized", arguments: types)
  func tiles(_ number: UInt32) throws {
    let type = strata_type(number)
    let families = KernelReference.families
    guard families.contains(STRATA_ISA_AVX512), families.contains(STRATA_ISA_AMX) else { return }
    guard strata_block_values(type) > 1 else { return }
    let before = strata_isa_current()
    defer { _ = strata_isa_use(before) }
    var random = TestRandom(state: UInt64(number) + 99)
    // 56 blocks are summed in three pieces; 40 rows leave half a panel; 61 and 77 rows of x leave part of a tile.
    let (rows, columns) = (40, 1792)
    let bytes = KernelReference.weights(type, count: rows * columns, &random)
    let matrix = try #require(strata_matrix_create(type, bytes, Int64(rows), Int64(columns), nil))
    defer { strata_matrix_destroy(matrix) }
    let bias = random.values(rows)
    for m in [61, 77, 96] {
      let x = random.values(m * columns)
      let start = random.values(m * rows)
      let products = [STRATA_ISA_AVX512, STRATA_ISA_AMX].map { family in
        _ = strata_isa_use(family)
        return Self.added(nil, matrix, x[...], start[...], bias, true).map(\.bitPattern)
      }
      #expect(products[0] == products[1], "type \(number), \(m) rows")
    }
  }
}
