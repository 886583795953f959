#include "data/loader.h"

#include <utility>

#include "data/batch_maker.h"

namespace ember {

Loader::Loader(const Dataset& dataset, std::vector<int64_t> rows, const LoaderOptions& options)
    : source_(options.device == Device::cuda ? make_cuda_source(dataset, std::move(rows), options)
                                             : make_cpu_source(dataset, std::move(rows), options)) {
}
Loader::~Loader() = default;

int64_t Loader::row_count() const { return source_->row_count(); }
int64_t Loader::batch_count() const { return source_->batch_count(); }
void Loader::start_epoch(uint64_t epoch) { source_->start_epoch(epoch); }
const Batch* Loader::next() { return source_->next(); }

}  // namespace ember
