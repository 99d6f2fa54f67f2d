package testserver;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.provider.IJpaSystemProvider;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import org.springframework.context.ApplicationContext;

/** Serves all resource types of the context's release. */
final class FhirServlet extends RestfulServer {
  private final transient ApplicationContext context;

  FhirServlet(ApplicationContext context) {
    this.context = context;
  }

  @Override
  protected void initialize() {
    setFhirContext(context.getBean(FhirContext.class));
    registerProviders(context.getBean(ResourceProviderFactory.class).createProviders());
    registerProvider(context.getBean(IJpaSystemProvider.class));
    setServerConformanceProvider(
        new JpaCapabilityStatementProvider(
            this,
            context.getBean(IFhirSystemDao.class),
            context.getBean(JpaStorageSettings.class),
            context.getBean(ISearchParamRegistry.class),
            context.getBean(IValidationSupport.class)));
    setPagingProvider(context.getBean(DatabaseBackedPagingProvider.class));
    setDefaultResponseEncoding(EncodingEnum.JSON);
  }
}
