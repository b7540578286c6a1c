// Owns `strata parse`: what a loader finds in a file, without a model or a store.
import ArgumentParser
import StrataCore
import StrataRetrieval

struct Parse: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a file is read as: headings, paragraphs, tables, pages.",
    discussion: "Example: strata parse report.pdf")
  @OptionGroup var common: CommonOptions
  @OptionGroup var loading: LoaderArguments
  @Argument(help: "A document.", completion: .file()) var file: String

  func run() async throws {
    try await common.run {
      let document = try await DocumentFormat.parse(file: file, options: loading.options)
      if common.json {
        Terminal.json(document.json)
      } else {
        Terminal.out("\(document.title) (\(document.mediaType), \(document.blocks.count) blocks)\n")
        Terminal.out(document.canonicalText)
      }
    }
  }
}

/// How documents are read, as options of a command.
struct LoaderArguments: ParsableArguments {
  @Flag(name: .long, help: "Read scanned pages with tesseract, if it is installed.") var ocr = false
  @Option(
    name: .long, help: ArgumentHelp("Languages of scanned pages, as tesseract names them.", valueName: "codes"))
  var ocrLanguages = "eng"

  var options: LoaderOptions {
    let languages = ocrLanguages.split { $0 == "+" || $0 == "," }.map(String.init)
    return LoaderOptions(ocr: ocr ? LoaderOptions.OCR(languages: languages) : nil)
  }
}
